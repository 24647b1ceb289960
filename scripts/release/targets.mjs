// The systems that get a binary: the targets of package.json, and the package under npm/ that each has.

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { root } from '../lib/prepare.mjs'

/** What glibc the binaries ask for at most: that of RHEL 7 and Amazon Linux 2, and the oldest that Node.js itself takes. */
export const GLIBC = '2.17'
export const MAX_ADDON_BYTES = 10 * 1024 * 1024

const PLATFORMS = {
  'x86_64-unknown-linux-gnu': 'linux-x64-gnu',
  'aarch64-unknown-linux-gnu': 'linux-arm64-gnu',
  'x86_64-unknown-linux-musl': 'linux-x64-musl',
  'aarch64-unknown-linux-musl': 'linux-arm64-musl',
  'x86_64-apple-darwin': 'darwin-x64',
  'aarch64-apple-darwin': 'darwin-arm64',
  'x86_64-pc-windows-msvc': 'win32-x64-msvc',
}

/** Where tarballs are packed, and published from. */
export const packages = path.join(root, 'target', 'packages')

export const readJson = (...place) => JSON.parse(readFileSync(path.join(root, ...place), 'utf8'))

export const main = readJson('package.json')

export const targets = main.napi.targets.map((triple) => {
  const platform = PLATFORMS[triple]
  if (!platform) throw new Error(`package.json has a target without a package: ${triple}`)
  return {
    triple,
    platform,
    folder: path.join('npm', platform),
    manifest: readJson('npm', platform, 'package.json'),
    file: `${main.napi.binaryName}.${platform}.node`,
  }
})

/** By its triple or its platform. */
export function findTarget(name) {
  const found = targets.find(({ triple, platform }) => name === triple || name === platform)
  if (!found)
    throw new Error(`There is no target ${name}; there are ${targets.map(({ triple }) => triple).join(', ')}.`)
  return found
}

/** What runs here. */
export function hostTarget() {
  const musl = process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime
  const libc = { linux: musl ? '-musl' : '-gnu', win32: '-msvc' }[process.platform] ?? ''
  return findTarget(`${process.platform}-${process.arch}${libc}`)
}
