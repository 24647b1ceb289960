'use strict'

// Required before the program (`node --require`): the package then loads the addon that OTHER_ADDON names, one built with
// a sanitizer or with panics on command.

const Module = require('node:module')

const { _resolveFilename: resolve } = Module
Module._resolveFilename = function (request, ...rest) {
  return /reliable-r2\.[^/]*\.node$/.test(request) ? process.env.OTHER_ADDON : resolve.call(this, request, ...rest)
}
