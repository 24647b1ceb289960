// `npm run task lab`: every row of the fault catalogue, each through the public API against a test server of its own, and
// what came of it as docs/reports/fault-matrix.md. `--quick` leaves out the long waits; names of rows run those alone.

import { fork, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pickRows, verifyCovered } from './lib/catalogue.mjs'
import { page, report } from './lib/fault-matrix-page.mjs'
import { findNetwork } from './lib/network.mjs'
import { giveUp, prepareAll, root } from './lib/prepare.mjs'
import { writeReport } from './lib/report.mjs'

/** Rows wait more than they compute. */
const WORKERS = 8
const NETWORK_WORKERS = 4
/** Longer than any row takes on a machine that has other work: what hangs for ever is ended. */
const ROW_TIMEOUT_MS = 1_200_000

const args = process.argv.slice(2)
const quick = args.includes('--quick')
const named = args.filter((arg) => !arg.startsWith('-'))
const unknown = args.filter((arg) => arg.startsWith('-') && arg !== '--quick')
if (unknown.length > 0) giveUp(`Unknown: ${unknown.join(' ')}. Usage: npm run task lab -- [--quick] [ROW]...`)

await prepareAll()

const { families } = createRequire(import.meta.url)('../__test__/catalogue/index.js')
const { rows, jobs, networkJobs } = pickRows(families, { quick, named })
const network = networkJobs.length > 0 ? await findNetwork() : { command: [] }
if (network.reason)
  console.log(`\nSKIPPED: ${networkJobs.length} rows need a network of their own: ${network.reason}\n`)

const workerFile = path.join(root, '__test__', 'catalogue', 'support', 'worker.js')
const results = new Map(rows.map((row) => [row.id, []]))
const began = Date.now()

/** Runs jobs one after the other in a process, and in another one if that one dies. */
async function workThrough(queue, start) {
  while (queue.length > 0) {
    const worker = start()
    const exit = new Promise((resolve) =>
      worker.once('exit', (code, signal) => resolve({ end: signal ?? `code ${code}` })),
    )
    const message = () => Promise.race([exit, new Promise((resolve) => worker.once('message', resolve))])
    let response = await message()
    while (response.end === undefined && queue.length > 0) {
      const job = queue.shift()
      worker.send({ id: job.id, cases: job.cases })
      const timer = setTimeout(() => worker.kill('SIGKILL'), ROW_TIMEOUT_MS)
      response = await message()
      clearTimeout(timer)
      const done =
        response.results ??
        job.cases.map((index) => ({
          index,
          name: '',
          outcome: { broke: true },
          problems: [`the process ended: ${response.end}`],
        }))
      results.get(job.id).push(...done)
      for (const { name, problems } of done) {
        for (const problem of problems) console.log(`FAILED ${job.id} ${name}: ${problem}`)
      }
    }
    if (response.end !== undefined) continue
    worker.send({})
    await exit
  }
}

// Everything that a process leaves behind, also one that was killed, is in here.
const folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-rows-'))
// Warnings are judged, not printed.
const env = { ...process.env, NODE_NO_WARNINGS: '1', TMPDIR: folder }
const inherit = { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env }
const plain = () => fork(workerFile, inherit)
const [program, ...before] = network.command
const inNetwork = () => spawn(program, [...before, process.execPath, workerFile, '--network'], inherit)
const crews = Array.from({ length: Math.min(WORKERS, jobs.length) }, () => workThrough(jobs, plain))
if (!network.reason) {
  crews.push(
    ...Array.from({ length: Math.min(NETWORK_WORKERS, networkJobs.length) }, () => workThrough(networkJobs, inNetwork)),
  )
}
await Promise.all(crews)
rmSync(folder, { recursive: true, force: true })

const covered = await verifyCovered(rows, { run: !quick })
for (const [id, problem] of covered) console.log(`FAILED ${id}: ${problem}`)
const outcome = report({ families, rows, results, covered, network, quick })
console.log(`\n${outcome.summary} In ${Math.round((Date.now() - began) / 1000)} s.`)
if (!quick && named.length === 0) writeReport('fault-matrix', outcome, page)
process.exit(outcome.totals.failed ? 1 : 0)
