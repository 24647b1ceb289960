'use strict'

const assert = require('node:assert/strict')
const { after, before, test } = require('node:test')
const { setTimeout: sleep } = require('node:timers/promises')
const { Lab, noise, quick } = require('../support/lab.js')

let lab
before(async () => {
  lab = await Lab.start()
})
after(() => lab.stop())

// Phase by phase: what the call is doing when the signal fires.
const phases = {
  'waiting for the response': { fault: 'hang' },
  'sending the body': { fault: 'slow', bytesPerSecond: 1000 },
  'waiting between attempts': { fault: 'down' },
}

for (const [phase, fault] of Object.entries(phases)) {
  test(`a signal ends a call that is ${phase}, with its reason`, async () => {
    await lab.faults(fault)
    const retry = { ...quick, initialDelayMs: 20_000, maxDelayMs: 20_000, timeout: 60_000 }
    const storage = lab.storage({ retry })
    const controller = new AbortController()
    const reason = new Error('the user left')
    const upload = storage.uploadFile({ body: noise(400_000), key: 'a.bin', signal: controller.signal })
    upload.catch(() => {})
    await sleep(300)
    const at = performance.now()
    controller.abort(reason)
    assert.equal(await upload.then(assert.fail, (error) => error), reason)
    // The promise is 50 ms; the bound here only distinguishes an end from a wait that ran out.
    assert.ok(performance.now() - at < 5000)
    await lab.faults()
    await storage.uploadFile({ body: 'x', key: 'after.txt' })
    assert.equal(lab.stored('a.bin'), undefined)
  })
}

test('an aborted upload closes its connection', async () => {
  await lab.faults({ fault: 'hang' })
  const controller = new AbortController()
  const upload = lab.storage().uploadFile({ body: 'x', key: 'a.txt', signal: controller.signal })
  upload.catch(() => {})
  await sleep(200)
  assert.deepEqual(await lab.actions(), [], 'the proxy still holds the request')
  controller.abort()
  await assert.rejects(upload, { name: 'AbortError' })
  // The proxy notes the request when its connection ends.
  for (let tries = 0; tries < 100 && (await lab.actions()).length === 0; tries += 1) await sleep(20)
  assert.deepEqual(await lab.actions(), ['hang'])
})

test('a signal that has already fired sends nothing', async () => {
  await lab.faults()
  const signal = AbortSignal.abort()
  await assert.rejects(lab.storage().uploadFile({ body: 'x', key: 'a.txt', signal }), { name: 'AbortError' })
  assert.deepEqual(await lab.actions(), [])
})

test('the caller keeps its handlers, and none of ours stays behind', async () => {
  await lab.faults()
  const { getEventListeners } = require('node:events')
  const controller = new AbortController()
  let called = 0
  controller.signal.onabort = () => (called += 1)
  const storage = lab.storage()
  for (let n = 0; n < 20; n += 1) await storage.uploadFile({ body: 'x', key: 'a.txt', signal: controller.signal })
  assert.equal(getEventListeners(controller.signal, 'abort').length, 1)
  controller.abort()
  assert.equal(called, 1)
})

test('a hundred calls may share a signal, without a warning of a leak', async () => {
  await lab.faults({ fault: 'hang' })
  const { getEventListeners } = require('node:events')
  const warnings = []
  const warned = (warning) => warnings.push(warning.name)
  process.on('warning', warned)
  const controller = new AbortController()
  const storage = lab.storage()
  const reason = new Error('the user left')
  const calls = Array.from({ length: 100 }, (_, n) =>
    storage.uploadFile({ body: 'x', key: `${n}.txt`, signal: controller.signal }),
  )
  assert.equal(getEventListeners(controller.signal, 'abort').length, 1)
  controller.abort(reason)
  const outcomes = await Promise.all(calls.map((call) => call.catch((error) => error)))
  assert.ok(outcomes.every((outcome) => outcome === reason))
  await sleep(0)
  process.off('warning', warned)
  assert.deepEqual(warnings, [])
})

test('close() ends what is in flight', async () => {
  await lab.faults({ fault: 'hang' })
  const storage = lab.storage()
  const upload = storage.uploadFile({ body: 'x', key: 'a.txt' })
  upload.catch(() => {})
  await sleep(100)
  storage.close()
  await assert.rejects(upload, { code: 'ERR_CLOSED', category: 'aborted' })
  await assert.rejects(storage.uploadFile({ body: 'x', key: 'a.txt' }), { code: 'ERR_CLOSED' })
})
