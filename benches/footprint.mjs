// npm run task bench:footprint: what the package costs an app besides its uploads: to load it, to leave it idle, to have much
// wait, to store large bodies beside other work. Writes docs/reports/footprint.md.
//
//   --as-built      with the addon as it is, for work on the benchmark itself; writes no page

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import path from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { install, installPackage, requireTools, root, run } from '../scripts/lib/prepare.mjs'
import { writeReport } from '../scripts/lib/report.mjs'
import { machine } from '../scripts/lib/verification.mjs'
import { buildRig, startSink } from './support/null-sink.mjs'
import { median } from './support/statistics.mjs'
import { addonThreadsCpuMs, jsThreadCpuMs } from './support/thread-cpu.mjs'

const here = fileURLToPath(import.meta.url)
const KIB = 1024
const MIB = 1024 * KIB
const ROUNDS = 11
const WAITING = 10_000
/** Loaded beside it, since a time alone shows more of the machine. */
const PEERS = ['@aws-sdk/client-s3', 'minio']
const CONCURRENCIES = [16, 64, 256, 1024]
const LARGE = { uploads: 16, bytes: 20 * 1000 * 1000 }

const load = () => createRequire(here)(root)
const open = (endpoint) =>
  load().newStorage({ endpoint, bucket: 'null', accessKey: 'a', secretKey: 'b', logger: false })
const threads = () => (process.platform === 'linux' ? readdirSync('/proc/self/task').length : null)

/** Each in a process of its own. */
const measurements = {
  start(_, library = root) {
    const before = threads()
    const began = performance.now()
    createRequire(here)(library)
    const ms = performance.now() - began
    return { ms, threads: before === null ? null : threads() - before }
  },

  async first(endpoint) {
    const storage = open(endpoint)
    const times = []
    for (let upload = 0; upload < 101; upload += 1) {
      const began = performance.now()
      await storage.uploadFile({ key: 'small', body: Buffer.alloc(KIB) })
      times.push(performance.now() - began)
    }
    const [first, ...warm] = times
    return { first, warm: median(warm) }
  },

  async idle(endpoint) {
    const storage = open(endpoint)
    await Promise.all(Array.from({ length: 64 }, (_, index) => storage.uploadFile({ key: `${index}`, body: 'x' })))
    await sleep(500)
    const [before, own] = [process.cpuUsage(), addonThreadsCpuMs()]
    // Within it, connections grow old and are closed.
    await sleep(20_000)
    const { user, system } = process.cpuUsage(before)
    return { cpuMs: (user + system) / 1000, ownMs: own === null ? null : addonThreadsCpuMs() - own, seconds: 20 }
  },

  /** Of uploads that get no response. */
  async waiting(endpoint) {
    const storage = open(endpoint)
    const body = Buffer.alloc(KIB, 'x')
    const begin = (key) => storage.uploadFile({ key, body }).catch(() => {})
    begin('first')
    await sleep(200)
    gc()
    const before = process.memoryUsage.rss()
    const began = performance.now()
    for (let upload = 0; upload < WAITING; upload += 1) begin(`objects/${upload}.bin`)
    const ms = performance.now() - began
    await sleep(1000)
    gc()
    return { bytes: (process.memoryUsage.rss() - before) / WAITING, ms }
  },

  async many(endpoint, concurrency) {
    const storage = open(endpoint)
    const body = Buffer.alloc(KIB, 'x')
    let uploads = 0
    const run = async (ms) => {
      const until = performance.now() + ms
      const worker = async () => {
        while (performance.now() < until) await storage.uploadFile({ key: `objects/${++uploads}.bin`, body })
      }
      await Promise.all(Array.from({ length: Number(concurrency) }, worker))
    }
    await run(500)
    const [began, before, thread] = [performance.now(), uploads, jsThreadCpuMs()]
    await run(2000)
    const done = uploads - before
    return {
      perSecond: (done / (performance.now() - began)) * 1000,
      jsMs: thread === null ? null : (jsThreadCpuMs() - thread) / done,
    }
  },

  /** In rounds as they come one behind the other: the first has memory that is new, those after it what is kept. */
  async large(endpoint) {
    const storage = open(endpoint)
    const body = Buffer.alloc(LARGE.bytes, 'x')
    const upload = async (key, copies) => {
      const began = performance.now()
      const stored = storage.uploadFile({ key, body })
      copies.push(performance.now() - began)
      await stored
    }
    const round = async (copies) => {
      const stored = []
      for (let index = 0; index < LARGE.uploads; index += 1) {
        stored.push(upload(`${index}`, copies))
        // As requests come: each in a turn of its own.
        await sleep(5)
      }
      await Promise.all(stored)
    }
    await upload('first', [])
    const [fresh, warm] = [[], []]
    await round(fresh)
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    for (let index = 0; index < 4; index += 1) await round(warm)
    delay.disable()
    return {
      freshMs: median(fresh),
      mostFreshMs: Math.max(...fresh),
      copyMs: median(warm),
      p99Ms: delay.percentile(99) / 1e6,
      maxMs: delay.max / 1e6,
    }
  },
}

async function inProcess(name, ...args) {
  const options = name === 'waiting' ? ['--expose-gc'] : []
  const env = { ...process.env, NODE_ENV: 'production' }
  const child = spawn(process.execPath, [...options, here, name, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (text) => (output += text))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${name}: ended with ${code}`)
  const result = JSON.parse(output)
  console.log(name, ...args.slice(1), result)
  return result
}

const times = async (name, ...args) => {
  const results = []
  for (let round = 0; round < ROUNDS; round += 1) results.push(await inProcess(name, ...args))
  return results
}

/** A server that reads and never responds. */
async function startSilence() {
  const sockets = new Set()
  const server = createServer((socket) => {
    sockets.add(socket.resume().on('error', () => {}))
  })
  server.listen(0, '127.0.0.1', 4096)
  await once(server, 'listening')
  const stop = () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
  return { url: `http://127.0.0.1:${server.address().port}`, stop }
}

async function main() {
  const asBuilt = process.argv.includes('--as-built')
  requireTools()
  await installPackage()
  await install('benches')
  await buildRig()
  if (!asBuilt) await run('npm', ['run', '--silent', 'build'])
  const sink = await startSink('fixed')
  process.env.NODE_EXTRA_CA_CERTS = sink.authority
  const silence = await startSilence()
  try {
    const start = await times('start', sink.plain)
    const peers = []
    for (const peer of PEERS) peers.push(await times('start', sink.plain, peer))
    const results = {
      start,
      peers,
      first: await times('first', sink.plain),
      idle: await inProcess('idle', sink.plain),
      waiting: await inProcess('waiting', silence.url),
      many: [],
      large: await inProcess('large', sink.tls),
    }
    for (const concurrency of CONCURRENCIES) results.many.push(await inProcess('many', sink.plain, String(concurrency)))
    if (!asBuilt) writeReport('footprint', results, page)
  } finally {
    sink.stop()
    silence.stop()
  }
}

function page({ start, peers, first, idle, waiting, many, large }) {
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  const addon = readdirSync(root).find((name) => /^reliable-r2\..+\.node$/.test(name))
  const ms = (value) => (value < 10 ? value.toFixed(2) : Math.round(value))
  const best = Math.max(...many.map(({ perSecond }) => perSecond))
  const rows = [
    ["`require('reliable-r2')`, median of " + ROUNDS, `${ms(median(start.map((one) => one.ms)))} ms`],
    ...PEERS.map((peer, index) => [`the same of ${peer}`, `${ms(median(peers[index].map((one) => one.ms)))} ms`]),
    ['threads that it starts before the first call', start[0].threads ?? 'not counted here'],
    ['the first upload of a process, 1 KiB', `${ms(median(first.map((one) => one.first)))} ms`],
    ['one after it, 1 KiB', `${ms(median(first.map((one) => one.warm)))} ms`],
    [
      `CPU in ${idle.seconds} s of idleness after 64 uploads at once: its threads, the process`,
      `${idle.ownMs === null ? '–' : ms(idle.ownMs)} ms, ${ms(idle.cpuMs)} ms`,
    ],
    [
      `memory of each of ${WAITING.toLocaleString('en')} uploads of 1 KiB that wait`,
      `${Math.round(waiting.bytes / KIB)} KiB`,
    ],
    ['to begin each of them', `${((waiting.ms / WAITING) * 1000).toFixed(0)} µs`],
    [`\`uploadFile\` of ${LARGE.bytes / 1e6} MB over TLS, until it returns (its copy)`, `${ms(large.copyMs)} ms`],
    ['the same into memory that is new: median, most', `${ms(large.freshMs)} ms, ${ms(large.mostFreshMs)} ms`],
    [
      `delay of the event loop while ${LARGE.uploads} such uploads run, round after round: p99, most`,
      `${ms(large.p99Ms)} ms, ${ms(large.maxMs)} ms`,
    ],
    ['the binary', `${(statSync(path.join(root, addon)).size / MIB).toFixed(2)} MiB`],
  ]
  const throughput = many.map(({ perSecond, jsMs }, index) => {
    const js = jsMs === null ? '–' : `${(jsMs * 1000).toFixed(1)} µs`
    return `| ${CONCURRENCIES[index]} | ${Math.round(perSecond)} | ${(perSecond / best).toFixed(2)} | ${js} |`
  })
  return `# Footprint

What the package costs an app besides the uploads' own time, with default options.

| what | |
|---|---|
${rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}

In idleness, connections grow old and are closed; nothing else happens. What the process uses beside is V8, which collects
garbage once nothing is asked of it, whoever made that.

The delay of an event loop that has nothing to do is about 1.1 ms as it is measured here (\`monitorEventLoopDelay\` with a
resolution of 1 ms). A body is copied once, before \`uploadFile\` returns: what the caller does with its buffer afterwards
changes nothing. Streams and files are not copied on the JavaScript thread, or a MiB at a time. What was copied into is kept
for two seconds; memory that is new costs more, and most in a virtual machine that has to get it from its host first (here,
up to 8 ms for each 2 MiB).

Uploads of 1 KiB a second, by how many are called at once; \`maxConnections\` (256) of them are in flight:

| at once | uploads/s | of the best | JavaScript thread, CPU each |
|---|---|---|---|
${throughput.join('\n')}

reliable-r2 ${version}, release build, ${machine()}; against an S3
server that keeps nothing, in a process of its own on the same machine. \`npm run task bench:footprint\` writes this page. Peaks
of memory with large objects are in [memory.md](memory.md).
`
}

const [name, ...args] = process.argv.slice(2)
if (!(name in measurements)) await main()
else process.stdout.write(JSON.stringify(await measurements[name](...args)), () => process.exit(0))
