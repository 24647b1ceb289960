'use strict'

// Written by scripts/lib/native-loader.mjs at each build; do not edit.

const { platformsOf } = require('./lib/native/platform.js')

const VERSION = '0.1.0'

// Each package is one that is published with reliable-r2. Literal requires: bundlers copy what they can read here.
const ADDONS = {
  __proto__: null,
  'linux-x64-gnu': {
    local: () => require('./reliable-r2.linux-x64-gnu.node'),
    manifest: () => require('reliable-r2-linux-x64-gnu/package.json'),
    addon: () => require('reliable-r2-linux-x64-gnu'),
  },
  'linux-arm64-gnu': {
    local: () => require('./reliable-r2.linux-arm64-gnu.node'),
    manifest: () => require('reliable-r2-linux-arm64-gnu/package.json'),
    addon: () => require('reliable-r2-linux-arm64-gnu'),
  },
  'linux-x64-musl': {
    local: () => require('./reliable-r2.linux-x64-musl.node'),
    manifest: () => require('reliable-r2-linux-x64-musl/package.json'),
    addon: () => require('reliable-r2-linux-x64-musl'),
  },
  'linux-arm64-musl': {
    local: () => require('./reliable-r2.linux-arm64-musl.node'),
    manifest: () => require('reliable-r2-linux-arm64-musl/package.json'),
    addon: () => require('reliable-r2-linux-arm64-musl'),
  },
  'darwin-x64': {
    local: () => require('./reliable-r2.darwin-x64.node'),
    manifest: () => require('reliable-r2-darwin-x64/package.json'),
    addon: () => require('reliable-r2-darwin-x64'),
  },
  'darwin-arm64': {
    local: () => require('./reliable-r2.darwin-arm64.node'),
    manifest: () => require('reliable-r2-darwin-arm64/package.json'),
    addon: () => require('reliable-r2-darwin-arm64'),
  },
  'win32-x64-msvc': {
    local: () => require('./reliable-r2.win32-x64-msvc.node'),
    manifest: () => require('reliable-r2-win32-x64-msvc/package.json'),
    addon: () => require('reliable-r2-win32-x64-msvc'),
  },
}

function load() {
  const reasons = []
  for (const platform of platformsOf(process)) {
    const addon = ADDONS[platform]
    if (!addon) reasons.push(new Error(`There is no prebuilt addon for ${platform}.`))
    for (const attempt of addon ? [local, packaged] : []) {
      try {
        return attempt(addon)
      } catch (error) {
        reasons.push(error)
      }
    }
  }
  throw new AggregateError(reasons, `The addon could not be loaded: ${reasons.map(({ message }) => message.split('\n', 1)[0]).join('; ')}`)
}

/** Of a checkout, where it was built. */
function local(addon) {
  const binding = addon.local()
  requireVersion(binding.VERSION, 'the addon beside native.js; build it again')
  return binding
}

/** None of the package's code is run before its version is known. */
function packaged(addon) {
  const { name, version } = addon.manifest()
  requireVersion(version, `${name}; install the dependencies again`)
  const binding = addon.addon()
  requireVersion(binding.VERSION, `the addon of ${name}; install the dependencies again`)
  return binding
}

function requireVersion(version, whose) {
  if (version !== VERSION) throw new Error(`Version ${VERSION} was expected, not ${version}, of ${whose}.`)
}

module.exports = load()
