// npm run task bench:compare: the same uploads under the same faults, one kind of fault at a time, by this package and by what
// people would use instead. Writes docs/reports/comparison.md.
//
//   --only TEXT     only the kinds of faults whose name has this in it; prints only
//   --client TEXT   only the clients whose name has this in it; prints only
//
// Everything waits far more than it works, so that several runs continue at once.

import { fork, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { giveUp, prepareAll, root } from '../scripts/lib/prepare.mjs'
import { writeReport } from '../scripts/lib/report.mjs'
import { clients } from './support/peers-clients.mjs'
import { page } from './support/peers-page.mjs'
import { CHANCE, SEED, WITHIN_MS, bodyOf, faultClasses, keyOf, loads } from './support/peers-plan.mjs'

const { values: options } = parseArgs({
  options: { only: { type: 'string', default: '' }, client: { type: 'string', default: '' } },
})
/** Most runs wait; those of large objects work. */
const AT_ONCE = { small: 10, large: 2 }
/** Between the starts of runs that wait for minutes, which are not counted among those. */
const SPACING_MS = 300

await prepareAll('benches')

const require = createRequire(import.meta.url)
const { Lab, keys } = require('../__test__/support/lab.js')
const onWindows = process.platform === 'win32'
const bun = path.join(root, 'benches', 'node_modules', '.bin', onWindows ? 'bun.exe' : 'bun')
const support = path.join(root, 'benches', 'support')
const folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-peers-'))

/** The process that serves a client's stores. */
function startStores() {
  const child = fork(path.join(support, 'peers-server.mjs'))
  const waiting = new Map()
  let seq = 0
  child.on('message', ({ seq, value, error }) => {
    const { resolve, reject } = waiting.get(seq)
    waiting.delete(seq)
    if (error) reject(new Error(error))
    else resolve(value)
  })
  const ask = (command, args) =>
    new Promise((resolve, reject) => {
      waiting.set((seq += 1), { resolve, reject })
      child.send({ seq, command, ...args })
    })
  return { ask, stop: () => child.disconnect() }
}

/** The process that uploads. */
function startClient({ name, runtime }, certificate) {
  const env = { ...process.env, NODE_ENV: 'production', NODE_NO_WARNINGS: '1', NODE_EXTRA_CA_CERTS: certificate }
  const program = runtime === 'bun' ? bun : process.execPath
  const child = spawn(program, [path.join(support, 'peers-run.mjs'), name], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  const waiting = new Map()
  let ready
  const started = new Promise((resolve) => (ready = resolve))
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text)
    if (line.ready !== undefined) ready(line)
    else waiting.get(line.id)(line)
  })
  child.on('exit', (code) => {
    ready({ ready: false, why: `it ended with ${code}` })
    for (const resolve of waiting.values()) resolve({ broken: `it ended with ${code}` })
  })
  const run = (job) =>
    new Promise((resolve) => {
      waiting.set(job.id, resolve)
      child.stdin.write(`${JSON.stringify(job)}\n`)
    })
  return { started, run, stop: () => child.stdin.end() }
}

async function overTls(client, lab, fault, load, withinMs) {
  await lab.faults({ ...fault.rule, chance: CHANCE, seed: SEED })
  const place = { url: lab.tlsProxy, bucket: 'pictures', ...keys }
  const reported = await client.run({ id: fault.name, place, load, withinMs })
  const requests = (await lab.events()).length
  const stored = Array.from({ length: loads[load].count }, (_, index) => {
    const there = lab.stored(keyOf(load, index))
    return !there ? 'absent' : there.equals(bodyOf(load, index)) ? 'sound' : 'other'
  })
  return { ...reported, stored, requests, busy: null }
}

async function inMemory(client, stores, fault, load, withinMs) {
  const id = `${fault.name} ${load}`
  const { rule, outage } = fault
  const url = await stores.ask('open', { id, keys, rule, outage })
  const run = client.run({ id, place: { url, bucket: 'pictures', ...keys }, load, withinMs })
  await stores.ask('begin', { id, outage })
  const reported = await run
  // What a client lets go of, it may let go of a moment later.
  await sleep(1000)
  return { ...reported, ...(await stores.ask('report', { id, load })) }
}

/** What a client is to go through. */
function jobsOf(contender) {
  const jobs = contender.loads.flatMap((load) =>
    faultClasses.filter((fault) => load === 'small' || fault.large).map((fault) => ({ fault, load })),
  )
  return jobs.filter(({ fault }) => fault.name.includes(options.only))
}

async function measure({ contender, client, stores, lab }, { fault, load }, quiet = false) {
  const withinMs = fault.withinMs ?? WITHIN_MS
  const facts = fault.tls
    ? await overTls(client, lab, fault, load, withinMs)
    : await inMemory(client, stores, fault, load, withinMs)
  const row = { client: contender.name, fault: fault.name, load, ...count(facts) }
  if (!quiet) console.log(lineOf(row))
  return row
}

/** Several at a time, in their order. */
async function inTurn(jobs, atOnce) {
  const done = []
  const worker = async () => {
    for (let job = jobs.shift(); job; job = jobs.shift()) done.push(await job())
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return done
}

function count({ outcomes, broken, stray = [], stored, requests, busy, openUploads = 0 }) {
  if (broken) return { broken }
  const all = outcomes.map((outcome, index) => ({ ...outcome, stored: stored[index] }))
  const number = (is) => all.filter(is).length
  const times = all
    .filter(({ reported }) => reported === 'stored')
    .map(({ ms }) => ms)
    .sort((a, b) => a - b)
  const percentile = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? null
  const unsettled = number(({ reported }) => reported === 'nothing')
  return {
    count: all.length,
    succeeded: times.length,
    falseSuccesses: number(({ reported, stored }) => reported === 'stored' && stored !== 'sound'),
    falseFailures: number(({ reported, stored }) => reported === 'failed' && stored === 'sound'),
    corrupted: number(({ stored }) => stored === 'other'),
    unsettled,
    requestsPerUpload: requests / all.length,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    /** Requests that continue though nobody waits for their response any more. */
    leaked: busy === null ? null : Math.max(0, busy - unsettled),
    openUploads,
    stray: stray.length,
    codes: countOf(all.filter(({ reported }) => reported === 'failed').map(({ code }) => code)),
  }
}

function lineOf({ client, fault, load, broken, ...row }) {
  if (broken) return `${fault} ${load}  ${client}: ${broken}`
  const {
    succeeded,
    count,
    falseSuccesses,
    falseFailures,
    corrupted,
    unsettled,
    requestsPerUpload,
    p50Ms,
    p99Ms,
    leaked,
    codes,
  } = row
  return `${fault} ${load}  ${client}: ${succeeded}/${count}, false successes ${falseSuccesses}, false failures ${falseFailures}, corrupted ${corrupted}, hang ${unsettled}, leaked ${leaked}, ${requestsPerUpload.toFixed(2)} requests, p50 ${p50Ms?.toFixed(0)}, p99 ${p99Ms?.toFixed(0)} ms ${JSON.stringify(codes)}`
}

const started = performance.now()
const chosen = clients.filter(({ name }) => name.includes(options.client))
if (chosen.length === 0) giveUp(`No client has ${JSON.stringify(options.client)} in its name.`)
const labs = await Promise.all(chosen.map(() => Lab.start()))
const [rows, benches] = [[], []]
try {
  // All are up before the first one works, so that none pays for the start of another.
  for (const [index, contender] of chosen.entries()) {
    const certificate = path.join(folder, `${index}.pem`)
    writeFileSync(certificate, labs[index].caCertificate)
    const bench = { contender, lab: labs[index], client: startClient(contender, certificate), stores: startStores() }
    benches.push(bench)
    Object.assign(bench, await bench.client.started)
    if (!bench.ready) rows.push({ client: contender.name, unavailable: bench.why })
  }
  const jobs = benches
    .filter(({ ready }) => ready)
    .flatMap((bench) => jobsOf(bench.contender).map((job) => ({ ...job, run: () => measure(bench, job) })))
  // Fault by fault: what else the machine does then falls on all clients.
  jobs.sort((a, b) => faultClasses.indexOf(a.fault) - faultClasses.indexOf(b.fault))
  const runs = (is) => jobs.filter(is).map(({ run }) => run)
  // Once each, so that nobody is measured while it is still being compiled.
  await inTurn(
    benches
      .filter(({ ready }) => ready)
      .map((bench) => () => measure(bench, { fault: faultClasses[0], load: bench.contender.loads[0] }, true)),
    2,
  )
  const waiting = runs(({ fault }) => fault.withinMs)
  const long = waiting.map((run, index) => sleep(index * SPACING_MS).then(run))
  await sleep(waiting.length * SPACING_MS)
  // Those that work disturb those that wait, and so come last.
  for (const [load, atOnce] of Object.entries(AT_ONCE))
    rows.push(
      ...(await inTurn(
        runs((job) => job.load === load && !job.fault.withinMs),
        atOnce,
      )),
    )
  rows.push(...(await Promise.all(long)))
} finally {
  for (const { client, stores } of benches) {
    client.stop()
    stores.stop()
  }
  await Promise.all(labs.map((lab) => lab.stop()))
  rmSync(folder, { recursive: true, force: true })
}
console.log(`${((performance.now() - started) / 1000).toFixed(0)} s`)
if (options.only || options.client) console.log('Not all of it: docs/reports/comparison.md is left as it is.')
else writeReport('comparison', rows, page)

const broken = rows.filter(
  ({ client, broken, falseSuccesses, corrupted, leaked }) =>
    client.startsWith('reliable-r2') && (broken || falseSuccesses > 0 || leaked > 0),
)
if (broken.length > 0) giveUp(`reliable-r2 broke its promise:\n${broken.map(lineOf).join('\n')}`)

function countOf(names) {
  const counts = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}
