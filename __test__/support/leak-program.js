'use strict'

// A process whose uploads fail, `count` times for each kind, and that prints what it holds on to in the end:
// `node --expose-gc leak-program.js COUNT KIND...`. With PLANTS, every call leaves such things behind, to see that they
// are seen.

const assert = require('node:assert/strict')
const { mkdtempSync, openSync, writeFileSync } = require('node:fs')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const { Worker } = require('node:worker_threads')
const { newStorage } = require('../../index.js')
const { OF_WORKERS, WORKERS, kinds, upload } = require('./failing-uploads.js')
const { memory, setFaults, settled, watchRejections } = require('./holdings.js')

const AT_ONCE = 32
const WORKERS_AT_ONCE = 4

const [count, ...names] = [Number(process.argv[2]), ...process.argv.slice(3)]
/** Uploads of a thread that was ended continue for a while; memory is looked at when they are over, which takes its time. */
const SAMPLES = names.includes(WORKERS) ? 6 : 20
const file = path.join(mkdtempSync(path.join(process.env.LEAK_FOLDER, 'body-')), 'body.bin')
writeFileSync(file, Buffer.alloc(64 * 1024, 7))

const unhandled = watchRejections()

const kept = []
const plants = {
  descriptor: () => kept.push(openSync(file)),
  timer: () => kept.push(setTimeout(() => {}, 3_600_000)),
  memory: () => kept.push(Buffer.alloc(16 * 1024, 7)),
  rejection: () => void Promise.reject(new Error('planted')),
  file: () => writeFileSync(path.join(tmpdir(), String(kept.push(undefined))), ''),
}
const planted = process.env.PLANTS.split(' ')
  .filter(Boolean)
  .map((name) => plants[name])

function makeStorage({ overTls, options }) {
  return newStorage({
    ...(overTls && { endpoint: process.env.TLS_ENDPOINT, caCertificates: [process.env.CA_CERTIFICATE] }),
    retry: { maxAttempts: 1, timeout: 20_000 },
    logger: false,
    ...options,
  })
}

let outcomes = {}

async function fail({ call = upload, abortAfterMs, codes }, storage, n) {
  const controller = abortAfterMs === undefined ? undefined : new AbortController()
  if (controller) setTimeout(() => controller.abort(), abortAfterMs)
  const error = await call(storage, { n, file, signal: controller?.signal }).then(
    () => new Error('it was stored'),
    (reason) => reason,
  )
  const code = error.name === 'AbortError' ? error.name : error.code
  assert.ok(codes.includes(code), error)
  outcomes[code] = (outcomes[code] ?? 0) + 1
  for (const plant of planted) plant()
}

/** A worker thread that is ended in the middle of its uploads. */
async function endWorker(n) {
  const worker = new Worker(path.join(__dirname, 'uploading-worker.js'))
  await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  await sleep(n % 15)
  await worker.terminate()
  outcomes.ended = (outcomes.ended ?? 0) + 1
}

/** Does `action` with every number from `from` to `to`, several at once. */
async function each(from, to, atOnce, action) {
  let next = from
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < to) await action(next++)
    }),
  )
}

/** Lets each kind fail in turn, a slice at a time. Gives the memory after each slice. */
async function run(from, to) {
  let quiet = names.includes(WORKERS) ? await settled() : undefined
  const storages = names.map((name) => name !== WORKERS && makeStorage(kinds[name]))
  const samples = [await memory()]
  const slice = (to - from) / SAMPLES
  for (let n = 0; n < SAMPLES; n += 1) {
    const [begin, end] = [Math.round(from + n * slice), Math.round(from + (n + 1) * slice)]
    for (const [index, name] of names.entries()) {
      if (name === WORKERS) {
        await setFaults(OF_WORKERS)
        await each(begin, end, WORKERS_AT_ONCE, endWorker)
        quiet = await settled(quiet, 30_000)
        continue
      }
      await setFaults(kinds[name].faults ?? [])
      // An outage of ours is no reason to ask less: every call is to fail by itself.
      storages[index].setBreaker('closed')
      await each(begin, end, AT_ONCE, (number) => fail(kinds[name], storages[index], number))
    }
    samples.push(await memory())
  }
  for (const storage of storages) storage?.close()
  return samples
}

async function main() {
  const warmUp = Math.max(SAMPLES, Math.round(count / 10))
  await run(0, warmUp)
  const before = await settled()
  outcomes = {}
  const begun = performance.now()
  const samples = await run(warmUp, warmUp + count)
  const seconds = (performance.now() - begun) / 1000
  const after = await settled(before, Number(process.env.PATIENCE_MS))
  console.log(JSON.stringify({ calls: count * names.length, seconds, outcomes, before, after, samples, unhandled }))
  // A planted timer must not keep it.
  process.exit()
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
