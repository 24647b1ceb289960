// npm run bench: the clients side by side against a server that takes everything and keeps nothing. Writes
// docs/reports/benchmarks.md.
//
//   --full          every size with every concurrency, plain and over TLS
//   --only TEXT     only the scenarios whose title has this in it
//   --rounds N      default 3
//   --seconds N     of load for each client, scenario and round; default 2
//   --as-built      with the addon as it is, for work on the benchmark itself; writes no page

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { giveUp, install, installPackage, requireTools, root, run } from '../scripts/lib/prepare.mjs'
import { writeReport } from '../scripts/lib/report.mjs'
import { page } from './support/benchmark-page.mjs'
import { buildRig, baseline, baselineAddon, startSink } from './support/null-sink.mjs'
import { scenarios } from './support/scenarios.mjs'
import { summarize } from './support/statistics.mjs'

const { values: options } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '2' },
    'as-built': { type: 'boolean', default: false },
  },
})
const rounds = Number(options.rounds)
const seconds = Number(options.seconds)

const onWindows = process.platform === 'win32'
const bun = path.join(root, 'benches', 'node_modules', '.bin', onWindows ? 'bun.exe' : 'bun')

/** In the order in which they are shown. `md5`: against the sink whose ETags are the MD5s of the bodies. */
const contenders = [
  { name: 'reliable-r2' },
  { name: 'reliable-r2, MD5s compared', md5: true },
  { name: 'reliable-r2, `verifyIntegrity: false`' },
  { name: "Bun's S3Client", runtime: bun },
  { name: 'minio' },
  { name: 's3mini' },
  { name: 'aws4fetch' },
  { name: '@aws-sdk/client-s3' },
  { name: 'baseline behind the N-API boundary', inMemoryOnly: true },
  { name: 'baseline', runtime: baseline, inMemoryOnly: true },
]

async function prepare() {
  requireTools()
  await installPackage()
  await install('benches')
  await buildRig()
  if (options['as-built']) return
  console.log('Building the addon as it is published (some minutes the first time) ...')
  await run('npm', ['run', '--silent', 'build'])
}

/** Runs one contender through one scenario; `undefined` where it has no such thing. */
async function measure(contender, scenario, sink) {
  if (scenario.file && contender.inMemoryOnly) return undefined
  const { bytes, concurrency, file } = scenario
  const url = scenario.tls ? sink.tls : sink.plain
  const plan = {
    name: contender.name,
    url,
    bytes: file ? undefined : bytes,
    file,
    concurrency,
    seconds,
    addon: baselineAddon,
  }
  const args =
    contender.name === 'baseline'
      ? [url, bytes, concurrency, seconds, sink.authority].map(String)
      : [path.join(root, 'benches', 'support', 'load.mjs'), JSON.stringify(plan)]
  const env = { ...process.env, NODE_ENV: 'production', NODE_EXTRA_CA_CERTS: sink.authority, NODE_NO_WARNINGS: '1' }
  const child = spawn(contender.runtime ?? process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const [out, err] = [[], []]
  child.stdout.on('data', (piece) => out.push(piece))
  child.stderr.on('data', (piece) => err.push(piece))
  const [code, signal] = await once(child, 'close')
  if (code !== 0) {
    const last = Buffer.concat(err).toString().trim().slice(-2000)
    throw new Error(`${contender.name}, ${scenario.title}: ended with ${signal ?? code}\n${last}`)
  }
  return JSON.parse(Buffer.concat(out).toString())
}

async function makeFile(bytes) {
  const file = path.join(tmpdir(), `reliable-r2-bench-${process.pid}.bin`)
  const out = createWriteStream(file)
  const piece = Buffer.alloc(1024 * 1024, 'reliable')
  for (let left = bytes; left > 0; left -= piece.length)
    if (!out.write(piece.subarray(0, left))) await once(out, 'drain')
  out.end()
  await once(out, 'close')
  return file
}

await prepare()
const chosen = scenarios(options).filter(({ title }) => title.includes(options.only))
if (chosen.length === 0) giveUp(`No scenario has ${JSON.stringify(options.only)} in its title.`)
const [fixed, md5] = await Promise.all([startSink('fixed'), startSink('md5')])
let file
const results = []
try {
  for (const scenario of chosen) {
    if (scenario.fromFile) scenario.file = file ??= await makeFile(scenario.bytes)
    console.log(`\n${scenario.title}`)
    const measured = new Map(contenders.map(({ name }) => [name, []]))
    const failed = new Set()
    // Interleaved, so that what else the machine does falls on all of them.
    for (let round = 0; round < rounds; round += 1) {
      for (const contender of contenders) {
        if (failed.has(contender.name)) continue
        try {
          const one = await measure(contender, scenario, contender.md5 ? md5 : fixed)
          if (one) measured.get(contender.name).push(one)
        } catch (error) {
          // A peer that cannot do it is a result; we must.
          if (contender.name.startsWith('reliable-r2')) throw error
          failed.add(contender.name)
          measured.set(contender.name, [])
          console.error(error.message)
        }
      }
    }
    const rows = summarize(measured, scenario.bytes)
    results.push({ scenario, rows, failed: [...failed] })
    for (const row of rows) console.log(`  ${row.name.padEnd(34)} ${row.line}`)
  }
} finally {
  fixed.stop()
  md5.stop()
  if (file) rmSync(file)
}
if (options['as-built'] || options.only) console.log('\ndocs/reports/benchmarks.md is left as it is.')
else writeReport('benchmarks', { rounds, seconds, full: options.full, results }, page)
