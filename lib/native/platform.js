'use strict'

/** 'gnu' or 'musl' on Linux, undefined where it cannot be known; the report names glibc's version where there is one. */
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

/** What the addons that can work here are named by, the likeliest first. */
function platformsOf({ platform, arch }) {
  const libc = libcOf(platform)
  if (platform === 'linux') return (libc ? [libc] : ['gnu', 'musl']).map((name) => `linux-${arch}-${name}`)
  return [platform === 'win32' ? `win32-${arch}-msvc` : `${platform}-${arch}`]
}

module.exports = { libcOf, platformsOf }
