'use strict'

// Ends calls of every kind in every phase, many times over, and prints how many descriptors are open before and after.

const assert = require('node:assert/strict')
const { readdirSync } = require('node:fs')
const { setTimeout: sleep } = require('node:timers/promises')
const { fromFile, newStorage } = require('../../index.js')

const MIB = 1024 * 1024
const [control, file, checkpoint] = process.argv.slice(2)
const quick = { maxAttempts: 2, initialDelayMs: 1, maxDelayMs: 2, timeout: 5000 }
const options = {
  logger: false,
  retry: quick,
  multipartThresholdBytes: 5 * MIB,
  partSizeBytes: 5 * MIB,
  allowPrivateNetworks: true,
}
const faults = (...rules) =>
  fetch(`${control}/faults`, { method: 'PUT', body: JSON.stringify({ faults: rules }) }).then((response) =>
    response.text(),
  )
const descriptors = () => readdirSync('/proc/self/fd').length
const large = Buffer.alloc(11 * MIB, 7)
const unhandled = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))

async function* slowly() {
  for (let n = 0; n < 22; n += 1) {
    await sleep(1)
    yield large.subarray(0, MIB / 2)
  }
}

const calls = [
  (storage, signal) => storage.uploadFile({ key: 'a', body: 'small', signal }),
  (storage, signal) => storage.uploadFile({ key: 'b', body: large, signal }),
  (storage, signal) => storage.uploadFile({ key: 'c', body: slowly(), signal, sha256: true }),
  (storage, signal) => storage.uploadFile({ key: 'd', body: fromFile(file), signal, compress: 'gzip' }),
  (storage, signal) => storage.uploadFile({ key: 'e', body: fromFile(file), signal, checkpoint }),
  (storage, signal) =>
    storage.downloadAndUpload({ key: 'f', url: `${process.env.PUBLIC_URL}/pictures/source`, signal }),
  async (storage, signal) => {
    const { body } = await storage.download({ key: 'source', signal })
    for await (const piece of body) if (piece.length === 0) throw new Error('never')
  },
  async (storage, signal) => {
    const { body } = await storage.download({ key: 'source', signal })
    await body.cancel()
  },
]

async function round(storage, delayMs) {
  const outcomes = await Promise.allSettled(calls.map((call) => call(storage, AbortSignal.timeout(delayMs))))
  for (const { reason } of outcomes)
    assert.ok(reason === undefined || ['TimeoutError', 'AbortError'].includes(reason.name), reason?.stack)
}

async function main() {
  const storage = newStorage(options)
  await storage.uploadFile({ key: 'source', body: large })
  // What is made once (threads, DNS, pools) is made here.
  for (const delayMs of [50, 10_000]) await round(storage, delayMs)
  await sleep(500)
  const before = descriptors()
  for (const rules of [
    [],
    [{ fault: 'hang', skip: 3 }],
    [{ fault: 'slow', bytesPerSecond: 20 * MIB }],
    [{ fault: 'stallResponse', method: 'GET' }],
  ]) {
    await faults(...rules)
    for (let delayMs = 1; delayMs <= 200; delayMs = Math.ceil(delayMs * 1.5)) await round(storage, delayMs)
  }
  await faults()
  const closing = newStorage(options)
  const ended = calls.map((call) =>
    call(closing, undefined).catch((error) => assert.equal(error.code, 'ERR_CLOSED', error.stack)),
  )
  await sleep(10)
  closing.close()
  await Promise.all(ended)
  // Removals continue behind an abort; idle connections are kept for a while. What has a checkpoint (e) stays.
  const open = async () => {
    const cleanups = ['b', 'c', 'd', 'f'].map((prefix) =>
      storage.abortIncompleteUploads({ prefix, olderThan: new Date(0) }),
    )
    return (await Promise.all(cleanups)).reduce((sum, { kept }) => sum + kept, 0)
  }
  const patience = Date.now() + 40_000
  let uploads
  do {
    // What was on its way to the storage when its caller left arrives first, and is removed then.
    await sleep(1000)
    uploads = await open()
  } while (uploads > 0 && Date.now() < patience)
  while (descriptors() > before && Date.now() < patience) await sleep(200)
  console.log(JSON.stringify({ before, after: descriptors(), uploads, unhandled: unhandled.map(String) }))
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
