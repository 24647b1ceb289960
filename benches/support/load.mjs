// One client under load, in a process of its own. Prints what it came to as one line of JSON: the times of all uploads
// in milliseconds, and what they cost this process.

import { clients } from './clients.mjs'
import { jsThreadCpuMs } from './thread-cpu.mjs'

const { name, url, bytes, file, concurrency, seconds, addon } = JSON.parse(process.argv[2])
const client = await clients[name]({ url, addon })
const body = Buffer.alloc(bytes ?? 0, 'x')
const upload = file ? (key) => client.putFile(key, file) : (key) => client.put(key, body)

let uploads = 0

/** Keeps `concurrency` uploads in flight until the time is over. */
async function load(forMs) {
  const times = []
  const until = performance.now() + forMs
  const worker = async () => {
    while (performance.now() < until) {
      const started = performance.now()
      await upload(`objects/${++uploads}.bin`)
      times.push(performance.now() - started)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return times
}

await load(seconds * 250)
const [cpu, thread, started] = [process.cpuUsage(), jsThreadCpuMs(), performance.now()]
const times = await load(seconds * 1000)
const took = performance.now() - started
const { user, system } = process.cpuUsage(cpu)
const threadMs = thread === null ? null : jsThreadCpuMs() - thread
const report = {
  uploads: times.length,
  seconds: took / 1000,
  times: times.map((ms) => Number(ms.toFixed(4))),
  cpuMs: (user + system) / 1000,
  jsThreadMs: threadMs,
  peakRss: process.resourceUsage().maxRSS * 1024,
}
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0))
