'use strict'

const { unsupportedError } = require('../errors.js')
const { libcOf } = require('./platform.js')
const { sealed } = require('./panic-guard.js')

const PREBUILT = [
  'linux-x64 (glibc >= 2.17 and musl)',
  'linux-arm64 (glibc and musl)',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64',
]

function loadNative() {
  try {
    // A literal require: Next.js copies to a standalone build only what it can read here.
    return require('../../native.js')
  } catch (cause) {
    const { platform, arch } = process
    const libc = libcOf(platform)
    throw unsupportedError(adviceFor([platform, arch, libc].filter(Boolean).join('-')), { platform, arch, libc, cause })
  }
}

function adviceFor(host) {
  return [
    `reliable-r2 could not load its addon for ${host} (Node ${process.version}). What to do:`,
    `- Run npm install (or npm ci) on the system where the code runs, with optional dependencies: node_modules from another system or libc has another binary.`,
    `- In Next.js, add serverExternalPackages: ['reliable-r2'] to next.config.`,
    `- Prebuilt binaries exist for ${PREBUILT.join(', ')}. Elsewhere, and in a checkout of the source, build one with Rust: npm run build.`,
    `The loader's own reasons are in the cause of this error.`,
  ].join('\n')
}

module.exports = sealed(loadNative())
