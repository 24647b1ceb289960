'use strict'

const { unsupportedError } = require('./errors.js')
const { sealed } = require('./seam.js')

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
    return require('../native.js')
  } catch (cause) {
    const { platform, arch } = process
    const libc = libcOf(platform)
    throw unsupportedError(adviceFor([platform, arch, libc].filter(Boolean).join('-')), { platform, arch, libc, cause })
  }
}

function adviceFor(host) {
  return [
    `reliable-r2 could not load its native part for ${host} (Node ${process.version}). What to do:`,
    `- Run npm install (or npm ci) on the system where the code runs, with optional dependencies: node_modules from another system or libc has another binary.`,
    `- In Next.js, add serverExternalPackages: ['reliable-r2'] to next.config.`,
    `- Prebuilt binaries exist for ${PREBUILT.join(', ')}. Elsewhere, and in a checkout of the source, build one with Rust: npm run build.`,
    `The loader's own reasons are in the cause of this error.`,
  ].join('\n')
}

/** 'gnu' or 'musl' on Linux; the report names glibc's version where there is one. */
function libcOf(platform) {
  if (platform !== 'linux') return undefined
  try {
    // Without this the report asks the DNS for the name of every open connection.
    process.report.excludeNetwork = true
    return process.report.getReport().header.glibcVersionRuntime ? 'gnu' : 'musl'
  } catch {
    return undefined
  }
}

module.exports = sealed(loadNative())
