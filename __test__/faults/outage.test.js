'use strict'

const assert = require('node:assert/strict')
const { after, afterEach, before, describe, test } = require('node:test')
const { CircuitOpenError, NetworkError, StorageError } = require('../../index.js')
const { Lab, keys, noise, quick } = require('../support/lab.js')

describe('an outage', { timeout: 60_000 }, () => {
  let primary
  let spare
  before(async () => {
    ;[primary, spare] = await Promise.all([Lab.start(), Lab.start()])
  })
  after(() => Promise.all([primary.stop(), spare.stop()]))
  afterEach(() => Promise.all([primary.faults(), spare.faults()]))

  const two = (options) =>
    primary.storage({
      endpoint: undefined,
      endpoints: [{ endpoint: primary.proxy }, { endpoint: spare.proxy, ...keys }],
      ...options,
    })

  test('with an open breaker a call fails at once, or waits if it has the time', async () => {
    const storage = primary.storage()
    storage.setBreaker('open')
    const breaker = () => storage.metrics().endpoints[0].breaker
    assert.equal(breaker().state, 'open')
    assert.ok(breaker().retryAfterMs > 0 && breaker().retryAfterMs <= 5000)
    await assert.rejects(storage.uploadFile({ key: 'a', body: 'hello' }), (error) => {
      assert.ok(error instanceof CircuitOpenError && error instanceof NetworkError)
      assert.ok([CircuitOpenError, NetworkError, StorageError].every((Class) => error instanceof Class))
      const { name, code, category, retryable, attempts, key } = error.toJSON()
      assert.deepEqual(
        { name, code, category, retryable, attempts, key },
        {
          name: 'CircuitOpenError',
          code: 'ERR_CIRCUIT_OPEN',
          category: 'network',
          retryable: true,
          attempts: 0,
          key: 'a',
        },
      )
      assert.ok(error.retryAfterMs > 0)
      return true
    })
    const waiting = storage.uploadFile({ key: 'a', body: 'hello', retry: { ...quick, deadlineMs: 20_000 } })
    assert.equal(storage.metrics().operations.uploadFile.total.failuresByCode.ERR_CIRCUIT_OPEN, 1)
    storage.setBreaker('closed')
    assert.equal((await waiting).attempts, 1)
    assert.throws(() => storage.setBreaker('ajar'), { code: 'ERR_INVALID_OPTION', option: 'state' })
    assert.throws(() => storage.setBreaker('open', 'https://elsewhere.example'), { option: 'endpoint' })
  })

  test('what the primary cannot take goes to the next endpoint, and reconcile brings it back', async () => {
    const storage = two()
    const body = noise(50_000)
    await primary.faults({ fault: 'status', status: 503, code: 'ServiceUnavailable' })
    const retries = []
    const result = await storage.uploadFile({
      key: 'a.bin',
      body,
      metadata: { from: 'me' },
      onRetry: ({ host }) => retries.push(host),
    })
    assert.deepEqual([result.endpoint, result.failedOver, result.attempts], [spare.proxy, true, 1])
    assert.equal(retries.length, quick.maxAttempts - 1, 'all attempts at the primary came first')
    assert.deepEqual([primary.stored('a.bin'), spare.stored('a.bin')], [undefined, body])
    await primary.faults()
    assert.deepEqual(await storage.reconcile(), { copied: ['a.bin'], superseded: [], failed: [] })
    assert.deepEqual([primary.stored('a.bin'), spare.stored('a.bin')], [body, undefined])
    assert.deepEqual((await storage.head({ key: 'a.bin' })).metadata, { from: 'me' })
    const [first, second] = storage.metrics().endpoints
    assert.deepEqual([first.role, second.role, second.endpoint], ['primary', 'failover', spare.proxy])
  })

  test('the writes of one key follow each other', async () => {
    const storage = primary.storage()
    await primary.faults({ fault: 'reset', method: 'PUT', times: 2 })
    const ended = []
    const write = async (body) => {
      const { attempts } = await storage.uploadFile({ key: 'same.txt', body })
      ended.push({ body, attempts })
    }
    await Promise.all(['one', 'another', 'a third'].map(write))
    assert.deepEqual(
      ended.map(({ attempts }) => attempts),
      [3, 1, 1],
      'nobody wrote while the first had attempts left',
    )
    assert.equal(String(primary.stored('same.txt')), ended.at(-1).body)
    const { phasesMs } = storage.metrics().operations.uploadFile.total
    assert.ok(phasesMs.queue.max > 0 && phasesMs.wait.max > 0)
  })

  test('a profile is a set of defaults', async () => {
    const storage = primary.storage({ retry: undefined, profile: 'serverless', maxDurationMs: 4000 })
    await primary.faults({ fault: 'down' })
    const { failure } = await storage.uploadFile({ key: 'a', body: 'hello' }).catch((error) => ({ failure: error }))
    assert.ok(failure.attempts > 4, 'more than the default preset has')
    assert.ok(failure.elapsedMs < 4000, `a response before the function ends: ${failure.elapsedMs} ms`)
  })
})
