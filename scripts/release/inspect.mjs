// What is promised of a binary, read from the binary.

import { GLIBC, MAX_ADDON_BYTES } from './targets.mjs'

const MAGIC = { linux: '7f454c46', darwin: 'cffaedfe', win32: '4d5a' }
/** Where the header says for which processor it is. */
const MACHINE = {
  linux: { x64: 0x3e, arm64: 0xb7, read: (bytes) => bytes.readUInt16LE(18) },
  darwin: { x64: 0x01000007, arm64: 0x0100000c, read: (bytes) => bytes.readUInt32LE(4) },
  win32: { x64: 0x8664, read: (bytes) => bytes.readUInt16LE(bytes.readUInt32LE(0x3c) + 4) },
}

const asNumber = (version) => version.split('.').reduce((sum, part, place) => sum + Number(part) / 1000 ** place, 0)

/** The versions of glibc's symbols that a binary names. */
export function glibcVersions(addon) {
  // Names of versions stand in the binary as text. One that stands there for another reason makes this stricter only.
  const names = addon.toString('latin1').matchAll(/GLIBC_(\d+(?:\.\d+)+)\0/g)
  return [...new Set([...names].map(([, version]) => version))].sort((a, b) => asNumber(a) - asNumber(b))
}

/** Why a binary must not be published; empty if it may. */
export function faultsOf(addon, { platform }) {
  const [system, arch, libc] = platform.split('-')
  const faults = []
  if (!addon.toString('hex', 0, 4).startsWith(MAGIC[system]) || MACHINE[system].read(addon) !== MACHINE[system][arch]) {
    return [`it is no binary for ${system}-${arch}`]
  }
  if (addon.length > MAX_ADDON_BYTES) faults.push(`it has ${addon.length} bytes, more than ${MAX_ADDON_BYTES}`)
  if (!addon.includes('napi_register_module_v1'))
    faults.push('Node.js would not find its entry, napi_register_module_v1')
  if (system !== 'linux') return faults
  const versions = glibcVersions(addon)
  if (libc === 'musl' && versions.length > 0) faults.push(`it needs glibc, ${versions.at(-1)}`)
  if (libc === 'gnu' && versions.length === 0) faults.push('it names no version of glibc: it is for another libc')
  const newer = versions.filter((version) => asNumber(version) > asNumber(GLIBC))
  if (libc === 'gnu' && newer.length > 0) faults.push(`it needs glibc ${newer.at(-1)}, and ${GLIBC} must do`)
  return faults
}
