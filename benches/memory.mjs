// How much memory one large upload takes: the peak of its process over what the process had before; and how long, beside
// the same bytes sent and fetched by Node.js with nothing around it. Writes docs/reports/memory.md.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, readFileSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { writeReport } from '../scripts/lib/report.mjs'
import { machine } from '../scripts/lib/verification.mjs'
import { buildRig, startSink } from './support/null-sink.mjs'
import { median } from './support/statistics.mjs'

const here = fileURLToPath(import.meta.url)
const root = path.resolve(path.dirname(here), '..')
const MIB = 1024 * 1024
const GIB = 1024 * MIB
const ROUNDS = 3
/** The defaults: parts in flight times their size, and as much again as an object in one request may have. */
const BOUND_MIB = 4 * 8 + 16

const scenarios = {
  'uploadFile of a file of 1 GiB': ({ storage, file, fromFile }) =>
    storage.uploadFile({ key: 'file', body: fromFile(file) }),
  'uploadFile of a stream of 1 GiB': ({ storage }) => storage.uploadFile({ key: 'stream', body: stream(GIB) }),
  'downloadAndUpload of 1 GiB': ({ storage, url }) =>
    storage.downloadAndUpload({
      key: 'copy',
      url: `${url}/source?bytes=${GIB}`,
      maxBytes: 2 * GIB,
      allowPrivateNetworks: true,
    }),
  'uploadFile of 1 MiB, for comparison': ({ storage }) => storage.uploadFile({ key: 'small', body: Buffer.alloc(MIB) }),
  'bare: `https.request` with a file of 1 GiB': async ({ url, file }) => {
    const sent = request(`${url}/null/bare`, { method: 'PUT', headers: { 'content-length': GIB } })
    const responded = once(sent, 'response')
    await pipeline(createReadStream(file, { highWaterMark: MIB }), sent)
    await once((await responded)[0].resume(), 'end')
    return { size: GIB }
  },
  'bare: `https.request` of 1 GiB, thrown away': async ({ url }) => {
    const [reply] = await once(request(`${url}/source?bytes=${GIB}`).end(), 'response')
    let size = 0
    for await (const piece of reply) size += piece.length
    return { size }
  },
}

async function* stream(bytes) {
  const piece = Buffer.alloc(MIB, 'reliable')
  for (let left = bytes; left > 0; left -= piece.length) {
    await null
    yield piece
  }
}

/** In a process of its own: prints what it measured. */
async function measure(name, url, file) {
  const { fromFile, newStorage } = createRequire(here)(root)
  const storage = newStorage({ endpoint: url, bucket: 'null', accessKey: 'a', secretKey: 'b', logger: false })
  await storage.uploadFile({ key: 'first', body: 'first' })
  const before = process.resourceUsage().maxRSS
  const started = performance.now()
  const { size } = await scenarios[name]({ storage, url, file, fromFile })
  const seconds = (performance.now() - started) / 1000
  const peak = process.resourceUsage().maxRSS
  const measured = { size, seconds, beforeMib: before / 1024, peakMib: peak / 1024 }
  process.stdout.write(`${JSON.stringify(measured)}\n`, () => process.exit(0))
}

/** Runs this script for one scenario; gives the line that it prints. */
async function inProcess(authority, ...args) {
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: authority }
  const child = spawn(process.execPath, [here, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  return await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve)
    child.once('exit', (code) => code && reject(new Error(`${args[0]}: ended with ${code}`)))
  })
}

async function main() {
  await buildRig()
  const sink = await startSink('fixed')
  const measured = Object.fromEntries(Object.keys(scenarios).map((name) => [name, []]))
  const file = path.join(tmpdir(), `reliable-r2-memory-${process.pid}.bin`)
  try {
    await writeFile(file, stream(GIB))
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const name of Object.keys(scenarios)) {
        const one = JSON.parse(await inProcess(sink.authority, name, sink.tls, file))
        measured[name].push(one)
        const { size, seconds, beforeMib, peakMib } = one
        console.log(
          `${name}: ${Math.round(peakMib - beforeMib)} MiB over ${Math.round(beforeMib)} MiB, ${Math.round(size / MIB / seconds)} MiB/s`,
        )
      }
    }
  } finally {
    sink.stop()
    rmSync(file, { force: true })
  }
  const rows = Object.entries(measured).map(([name, rounds]) => {
    const of = (field) => median(rounds.map((one) => one[field]))
    return {
      name,
      beforeMib: of('beforeMib'),
      peakMib: of('peakMib'),
      over: of('peakMib') - of('beforeMib'),
      seconds: of('seconds'),
    }
  })
  writeReport('memory', rows, page)
}

function page(rows) {
  const round = Math.round
  const table = rows.map(
    ({ name, beforeMib, peakMib, over, seconds }) =>
      `| ${name} | ${round(beforeMib)} | ${round(peakMib)} | ${round(over)} | ${seconds.toFixed(1)} |`,
  )
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  return `# Memory

The peak memory (RSS, in MiB) of a process that stores one large object over TLS with the default options, over what it had
after a first small upload; medians of ${ROUNDS} rounds. At most four parts of 8 MiB are in flight and 16 MiB may wait: ${BOUND_MIB} MiB; the rest is Node.js reading
the body. The last two rows are Node.js alone, sending the same file on one connection and fetching as much: neither keeps,
checks or repeats anything.

| what | before | peak | difference | seconds |
|---|---|---|---|---|
${table.join('\n')}

reliable-r2 ${version}, release build, ${machine()};
an S3 server that keeps nothing, in a process of its own on the same machine. \`npm run build && npm run task bench:memory\`
writes this page.
`
}

const [name, url, file] = process.argv.slice(2)
await (name ? measure(name, url, file) : main())
