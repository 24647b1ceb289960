// How much memory one large upload takes: the peak of its process over what the process had before. Writes
// docs/memory.md.

import { spawn } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { machine } from '../scripts/lib/verification.mjs'
import { buildRig, startSink } from './support/null-sink.mjs'

const here = fileURLToPath(import.meta.url)
const root = path.resolve(path.dirname(here), '..')
const MIB = 1024 * 1024
const GIB = 1024 * MIB
/** The defaults: parts in flight times their size, and as much again as an object in one request may have. */
const BOUND_MIB = 4 * 8 + 16

const scenarios = {
  'uploadFile of a file of 1 GiB': ({ storage, file }) => storage.uploadFile({ key: 'file', body: { path: file } }),
  'uploadFile of a stream of 1 GiB': ({ storage }) => storage.uploadFile({ key: 'stream', body: stream(GIB) }),
  'downloadAndUpload of 1 GiB': ({ storage, url }) =>
    storage.downloadAndUpload({ key: 'copy', url: `${url}/source?bytes=${GIB}`, maxBytes: 2 * GIB, allowPrivateNetworks: true }),
  'uploadFile of 1 MiB, for comparison': ({ storage }) => storage.uploadFile({ key: 'small', body: Buffer.alloc(MIB) }),
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
  const { newStorage } = createRequire(here)(root)
  const storage = newStorage({ endpoint: url, bucket: 'null', accessKey: 'a', secretKey: 'b', logger: false })
  await storage.uploadFile({ key: 'first', body: 'first' })
  const before = process.resourceUsage().maxRSS
  const started = performance.now()
  const { size } = await scenarios[name]({ storage, url, file })
  const seconds = (performance.now() - started) / 1000
  const peak = process.resourceUsage().maxRSS
  console.log(JSON.stringify({ size, seconds, beforeMib: before / 1024, peakMib: peak / 1024 }))
}

/** Runs this script for one scenario; gives the line that it prints. */
async function inProcess(...args) {
  const child = spawn(process.execPath, [here, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  return await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve)
    child.once('exit', (code) => code && reject(new Error(`${args[0]}: ended with ${code}`)))
  })
}

async function main() {
  await buildRig()
  const sink = await startSink('md5')
  const rows = []
  const file = path.join(tmpdir(), `reliable-r2-memory-${process.pid}.bin`)
  try {
    await writeFile(file, stream(GIB))
    for (const name of Object.keys(scenarios)) {
      const { size, seconds, beforeMib, peakMib } = JSON.parse(await inProcess(name, sink.plain, file))
      const over = peakMib - beforeMib
      rows.push({ name, size, seconds, beforeMib, peakMib, over })
      console.log(`${name}: ${Math.round(over)} MiB over ${Math.round(beforeMib)} MiB, ${Math.round(size / MIB / seconds)} MiB/s`)
    }
  } finally {
    sink.stop()
    rmSync(file, { force: true })
  }
  writeFileSync(path.join(root, 'docs', 'memory.md'), page(rows))
}

function page(rows) {
  const round = Math.round
  const table = rows.map(({ name, beforeMib, peakMib, over, seconds }) => `| ${name} | ${round(beforeMib)} | ${round(peakMib)} | ${round(over)} | ${seconds.toFixed(1)} |`)
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  return `# Memory

The peak memory (RSS, in MiB) of a process that stores one large object with the default options, over what it had after
a first small upload. At most four parts of 8 MiB are in flight and 16 MiB may wait: ${BOUND_MIB} MiB; the rest is Node.js reading
the body.

| what | before | peak | difference | seconds |
|---|---|---|---|---|
${table.join('\n')}

reliable-r2 ${version}, release build, ${machine()};
an S3 server that keeps nothing, in a process of its own on the same machine. \`npm run build && npm run bench:memory\`
writes this page.
`
}

const [name, url, file] = process.argv.slice(2)
await (name ? measure(name, url, file) : main())
