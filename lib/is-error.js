'use strict'

const { types } = require('node:util')

/** Whether a value is an error: of this realm, or of another, as Node's own are where Jest runs a test. */
function isError(value) {
  return value instanceof Error || types.isNativeError(value)
}

module.exports = { isError }
