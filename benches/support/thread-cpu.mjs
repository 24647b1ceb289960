// What the thread that runs JavaScript has used of a CPU. Unlike the time that its event loop was busy, it does not grow
// when others have the CPU meanwhile.

import { readFileSync } from 'node:fs'

/** In milliseconds since the process began; null where no such thing is counted. */
export function jsThreadCpuMs() {
  if (process.platform !== 'linux') return null
  // The main thread has the id of its process.
  const [nanoseconds] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')
  return Number(nanoseconds) / 1e6
}
