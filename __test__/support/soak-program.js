'use strict'

// A process that uploads for some minutes through mixed faults, and prints a line of JSON for each round and one in the
// end: `node --expose-gc soak-program.js MINUTES RATE SEED`. What was reported to be stored is compared with the server's disk
// at once, and what there is space for again in the end.

const { readFileSync, rmSync } = require('node:fs')
const path = require('node:path')
const { Readable } = require('node:stream')
const { newStorage } = require('../../index.js')
const { command, memory, setFaults, settled, tally, watchRejections } = require('./holdings.js')
const { noise } = require('./lab.js')

const MIB = 1024 * 1024
const AT_ONCE = 16
const SIZES = { least: 4 * 1024, most: 20 * MIB }
/** Of objects that are kept for the second look. */
const KEPT_BYTES = 1024 * MIB
/** Between rounds all is quiet, so that what is held then can be compared. The first one warms up. */
const ROUNDS = { least: 3, most: 30 }

const [minutes, rate, seed] = process.argv.slice(2).map(Number)
const unhandled = watchRejections()
// Made at their first use, they would count as left behind.
for (const stream of [process.stdout, process.stderr]) stream.write('')
const pool = noise(2 * SIZES.most)

/** Small ones are as many as large ones are few: each doubling of the size is as likely. */
function bodyOf(index) {
  const unit = (salt) => ((Math.imul(index + salt, 0x9e3779b1) ^ Math.imul(seed, 0x85ebca6b)) >>> 0) / 2 ** 32
  const size = Math.round(SIZES.least * (SIZES.most / SIZES.least) ** unit(1))
  const offset = Math.floor(unit(7) * (pool.length - size))
  return pool.subarray(offset, offset + size)
}

const keyOf = (index) => `soak/${index}.bin`
const placeOf = (index) => path.join(process.env.LAB_DATA, keyOf(index))

function isStored(index) {
  try {
    return readFileSync(placeOf(index)).equals(bodyOf(index))
  } catch {
    return false
  }
}

const storage = newStorage({
  endpoint: process.env.TLS_ENDPOINT,
  caCertificates: [process.env.CA_CERTIFICATE],
  // A hang costs seconds and not half a minute; all other numbers are the preset's own.
  retry: { preset: 'persistent', timeout: 5000 },
  stallTimeoutMs: 2000,
  multipartThresholdBytes: 8 * MIB,
  partSizeBytes: 5 * MIB,
  logger: false,
})

const reported = { stored: 0, bytes: 0, failed: [], wrong: [], inParts: 0 }
const durations = []
const actions = {}
const kept = []
let next = 0

async function uploadOne() {
  const index = next++
  const body = bodyOf(index)
  const begun = performance.now()
  try {
    const { parts } = await storage.uploadFile({
      key: keyOf(index),
      body: index % 2 === 0 ? body : Readable.from([body]),
    })
    durations.push(performance.now() - begun)
    reported.stored += 1
    reported.bytes += body.length
    if (parts > 1) reported.inParts += 1
  } catch (error) {
    reported.failed.push(`${keyOf(index)}, ${body.length} bytes: ${error.code} ${error.message}`)
    return
  }
  if (!isStored(index)) reported.wrong.push(keyOf(index))
  kept.push({ index, bytes: body.length })
}

/** Space for those to come. */
function forgetTheOldest() {
  let bytes = kept.reduce((sum, object) => sum + object.bytes, 0)
  const gone = kept.findIndex((object) => {
    if (bytes <= KEPT_BYTES) return true
    bytes -= object.bytes
    return false
  })
  for (const { index } of kept.splice(0, Math.max(0, gone))) rmSync(placeOf(index))
}

async function round(until) {
  const worker = async () => {
    while (performance.now() < until) await uploadOne()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  forgetTheOldest()
  const { events } = await command('GET', '/events')
  await command('DELETE', '/events')
  for (const [action, times] of Object.entries(tally(events.map((event) => event.action))))
    actions[action] = (actions[action] ?? 0) + times
  return memory()
}

async function main() {
  // Of what carries bytes and what makes objects of parts. The mix has faults that no response to a HEAD could be.
  await setFaults(['PUT', 'POST'].map((method) => ({ fault: 'mix', chance: rate, seed, method })))
  const rounds = Math.min(ROUNDS.most, Math.max(ROUNDS.least, Math.round(minutes)))
  const begun = performance.now()
  const samples = []
  let before
  for (let n = 1; n <= rounds; n += 1) {
    samples.push(await round(performance.now() + (minutes * 60_000) / rounds))
    before ??= await settled()
    console.log(
      JSON.stringify({
        round: n,
        rounds,
        stored: reported.stored,
        failed: reported.failed.length,
        wrong: reported.wrong.length,
        ...samples.at(-1),
      }),
    )
  }
  const seconds = (performance.now() - begun) / 1000
  // A lost response to the begin of an upload in parts leaves one that nobody knows of; cleanup is for those.
  await setFaults([])
  await storage.abortIncompleteUploads({ olderThan: new Date(Date.now() + 1000) })
  storage.close()
  const after = await settled(before, 30_000)
  const missing = kept.filter(({ index }) => !isStored(index)).map(({ index }) => keyOf(index))
  const sorted = durations.toSorted((a, b) => a - b)
  const percentile = (share) => sorted[Math.floor((sorted.length - 1) * share)] ?? 0
  const lookedAtTwice = kept.length
  const ms = { p50: percentile(0.5), p99: percentile(0.99), most: percentile(1) }
  console.log(
    JSON.stringify({ seconds, ...reported, missing, lookedAtTwice, ms, actions, samples, before, after, unhandled }),
  )
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
