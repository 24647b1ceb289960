// What the thread that runs JavaScript has used of a CPU. Unlike the time that its event loop was busy, it does not grow
// when others have the CPU meanwhile.

import { readFileSync, readdirSync } from 'node:fs'

/** In milliseconds since the process began; null where no such thing is counted. */
export function jsThreadCpuMs() {
  if (process.platform !== 'linux') return null
  // The main thread has the id of its process.
  return cpuMs(process.pid)
}

/** The same of the threads that the addon has started. */
export function addonThreadsCpuMs() {
  if (process.platform !== 'linux') return null
  const own = readdirSync('/proc/self/task').filter((id) =>
    readFileSync(`/proc/self/task/${id}/comm`, 'utf8').startsWith('r2-'),
  )
  if (own.length === 0) throw new Error('the addon has no threads, or they have other names now')
  return own.reduce((sum, id) => sum + cpuMs(id), 0)
}

function cpuMs(thread) {
  const [nanoseconds] = readFileSync(`/proc/self/task/${thread}/schedstat`, 'utf8').split(' ')
  return Number(nanoseconds) / 1e6
}
