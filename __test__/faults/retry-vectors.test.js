'use strict'

// The rows of tests/vectors/retry.json through the addon: by `retryWithBackoff` in time that stands still unless it is
// waited for, and by uploads that meet what a row says at the fault proxy. Rust runs the same rows without Node.

const assert = require('node:assert/strict')
const { after, before, describe, test } = require('node:test')
const path = require('node:path')
const { isRetryableError, retryWithBackoff } = require('../../index.js')
const { Lab, root } = require('../support/lab.js')

const { policy, vectors } = require(path.join(root, 'tests', 'vectors', 'retry.json'))

const rows = vectors.filter(({ responses }) => responses)
/** Of a row, drawn at its upper end. */
const policyOf = (vector) => ({ ...policy, ...vector.policy, jitter: 'none' })
const reset = () => Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })

test('no row is left out but those that need an R2 host, or more attempts than a caller may ask for', () => {
  assert.ok(rows.length >= 20)
  assert.deepEqual(
    rows.filter(({ at }) => at).map(({ id }) => id),
    ['V9-R2'],
  )
  assert.deepEqual(
    vectors.filter(({ responses }) => !responses).map(({ id }) => id),
    ['V15'],
  )
})

/** Timers of which the earliest fires when nothing else is to be done, and a clock that shows what was waited for. */
class StillTime {
  now = 0
  #timers = new Map()
  #last = 0

  constructor(t) {
    t.mock.method(globalThis, 'setTimeout', (callback, ms = 0, ...args) => {
      this.#timers.set(++this.#last, { at: this.now + ms, callback: () => callback(...args) })
      return this.#last
    })
    t.mock.method(globalThis, 'clearTimeout', (id) => this.#timers.delete(id))
    t.mock.method(performance, 'now', () => this.now)
  }

  async until(promise) {
    let settled = false
    const settle = () => (settled = true)
    promise.then(settle, settle)
    for (;;) {
      await new Promise(setImmediate)
      if (settled) return promise
      const [id, timer] = [...this.#timers].reduce((a, b) => (b[1].at < a[1].at ? b : a))
      this.#timers.delete(id)
      this.now = timer.at
      timer.callback()
    }
  }
}

/** What the AWS SDK throws for a response, and Node for a connection. */
function thrown({ status, code, retryAfter, network }) {
  if (network) return Object.assign(new Error(`read ${network}`), { code: network })
  const $response = { statusCode: status, headers: { 'retry-after': retryAfter } }
  return Object.assign(new Error('x'), { name: code, $metadata: { httpStatusCode: status }, $response })
}

/** Gives what came of it, the waits, and what was thrown, by attempt. */
async function runLoop(time, vector, options) {
  const [delays, errors] = [[], []]
  const controller = new AbortController()
  const loop = retryWithBackoff(
    ({ attempt }) => {
      errors.push(undefined)
      const reply = vector.responses[attempt - 1]
      if (!reply) return 'done'
      if (reply.timeout) return new Promise(() => {})
      throw (errors[attempt - 1] = thrown(reply))
    },
    {
      ...options,
      signal: controller.signal,
      onRetry({ delayMs }) {
        delays.push(delayMs)
        if (vector.abort) setTimeout(() => controller.abort(vector.id), delayMs / 2)
      },
    },
  )
  const outcome = await time.until(
    loop.then(
      (value) => ({ value }),
      (error) => ({ error }),
    ),
  )
  return { ...outcome, delays, errors }
}

describe('retryWithBackoff', () => {
  for (const vector of rows.filter(({ at }) => !at)) {
    test(`${vector.id}: ${vector.says}`, async (t) => {
      const { responses, delaysMs, end, abort, failingCallsBefore = 0 } = vector
      const time = new StillTime(t)
      for (let call = 0; call < failingCallsBefore; call += 1) {
        const failing = retryWithBackoff(() => {
          throw reset()
        }, policyOf(vector))
        await time.until(failing.then(assert.fail, ({ code }) => assert.equal(code, 'ECONNRESET')))
      }
      time.now = 0
      const { value, error, delays, errors } = await runLoop(time, vector, policyOf(vector))
      assert.deepEqual(delays, delaysMs)
      assert.equal(errors.length, end.attempts)
      if (abort) return assert.deepEqual([error, time.now], [vector.id, delaysMs[0] / 2])
      if (end.code) {
        assert.equal(error, errors.at(-1), 'the last error, untouched')
        assert.equal(isRetryableError(error), end.reason !== 'permanent' || end.code === 'BadDigest')
      } else {
        assert.equal(value, 'done')
      }
      const hung = responses.filter(({ timeout }) => timeout).length * policyOf(vector).timeout
      assert.equal(time.now, delaysMs.reduce((sum, ms) => sum + ms, 0) + hung, 'nothing else was waited for')
    })
  }

  test('by default, waits are drawn from two thirds of their length to the whole', async (t) => {
    const time = new StillTime(t)
    const [vector] = rows.filter(({ id }) => id === 'V3')
    const drawn = new Set()
    for (let call = 0; call < 100; call += 1) {
      const { delays } = await runLoop(time, vector, { ...policyOf(vector), jitter: undefined })
      assert.equal(delays.length, vector.delaysMs.length)
      delays.forEach((ms, n) =>
        assert.ok(ms >= Math.floor((vector.delaysMs[n] * 2) / 3) && ms <= vector.delaysMs[n], `${ms}`),
      )
      drawn.add(delays.at(-1))
    }
    assert.ok(drawn.size > 50, `${drawn.size} of 100 differ`)
  })

  test('V15: no number of attempts is too large to count with', async (t) => {
    const { afterAttempts, delaysMs } = vectors.find(({ id }) => id === 'V15')
    const time = new StillTime(t)
    const delays = []
    const options = {
      ...policyOf({}),
      maxAttempts: 100,
      deadlineMs: undefined,
      onRetry: ({ delayMs }) => delays.push(delayMs),
    }
    const endless = retryWithBackoff(() => {
      throw reset()
    }, options)
    await time.until(endless.then(assert.fail, ({ code }) => assert.equal(code, 'ECONNRESET')))
    assert.equal(delays.length, 99)
    const reached = afterAttempts.filter((attempt) => attempt < 100)
    assert.ok(reached.length >= 4)
    reached.forEach((attempt, n) => assert.equal(delays[attempt - 1], delaysMs[n]))
  })
})

describe('uploads', () => {
  const here = rows.filter(({ at }) => !at)
  let lab
  let outcomes
  let events
  before(async () => {
    lab = await Lab.start()
    await lab.faults(
      ...here.flatMap(({ id, responses }) =>
        responses.map((reply) => ({ ...fault(reply), keyContains: `${id}/`, times: 1 })),
      ),
      { fault: 'status', status: 500, code: 'InternalError', keyContains: 'before/' },
    )
    // Each with a storage, and so a gate, of its own: one row's failures are nothing to another.
    outcomes = await Promise.all(here.map(upload))
    events = await lab.events()
  })
  after(() => lab.stop())

  function fault({ status, code, retryAfter, clockAheadMs, network, timeout }) {
    if (timeout) return { fault: 'hang' }
    if (network) return { fault: 'reset' }
    // The server behind the proxy is right, and takes a quarter of an hour for what networks do.
    assert.ok((clockAheadMs ?? 0) < 900_000)
    return {
      fault: 'status',
      status,
      code,
      retryAfter,
      date: clockAheadMs && new Date(Date.now() + clockAheadMs).toUTCString(),
    }
  }

  async function upload(vector) {
    const { id, abort, failingCallsBefore = 0 } = vector
    const { timeout, ...numbers } = policyOf(vector)
    // What is not to hang must not take too long by chance.
    const storage = lab.storage({ retry: { ...numbers, timeout: Math.max(timeout, 2000) } })
    // The rows are of a storage whose habits are known: before, a 400 may be for the checksum (docs/adr/0013).
    await storage.uploadFile({ key: `known/${id}.txt`, body: id })
    const before = []
    for (let n = 0; n < failingCallsBefore; n += 1) {
      const retry = { initialDelayMs: 0, maxDelayMs: 0 }
      before.push(
        await storage
          .uploadFile({ key: `before/${n}`, body: 'x', retry })
          .then(assert.fail, ({ attempts }) => attempts),
      )
    }
    const delays = []
    const controller = new AbortController()
    const onRetry = ({ delayMs }) => {
      delays.push(delayMs)
      if (abort) setImmediate(() => controller.abort(id))
    }
    const call = storage.uploadFile({ key: `${id}/a.txt`, body: id, signal: controller.signal, onRetry })
    const outcome = await call.then(
      (result) => ({ result }),
      (error) => ({ error }),
    )
    return { ...outcome, delays, before }
  }

  for (const [n, { id, says, responses, delaysMs, end, abort, ...vector }] of here.entries()) {
    test(`${id}: ${says}`, () => {
      const { result, error, delays, before } = outcomes[n]
      // A HEAD that asks what came of a lost response is no attempt.
      const seen = events.filter(({ key, method }) => key === `${id}/a.txt` && method === 'PUT')
      assert.deepEqual(before, Array(vector.failingCallsBefore ?? 0).fill(policyOf(vector).maxAttempts))
      assert.deepEqual(delays, delaysMs)
      assert.equal(seen.length, end.attempts, 'requests at the server')
      if (abort) return assert.equal(error, id)
      assert.equal((result ?? error).attempts, end.attempts, error?.stack)
      assert.deepEqual([error?.code, error?.category, error?.retryAfterMs], [end.code, end.category, end.retryAfterMs])
      assert.equal(lab.stored(`${id}/a.txt`)?.toString(), error ? undefined : id)
      const broken = responses.filter(({ network, timeout }) => network || timeout).length
      const connections = new Set(seen.map(({ connection }) => connection))
      if (broken > 0) assert.equal(connections.size, broken + 1, 'a connection that broke or hung is not used again')
      // The proxy reports a request that hangs when its connection is closed.
      if (responses[0].timeout)
        assert.deepEqual(
          seen.map(({ action }) => action),
          ['hang', 'forward'],
        )
      if (responses[0].clockAheadMs) {
        const [wrong, right] = seen.map(({ amzDate }) => timeOf(amzDate))
        assert.ok(Math.abs(right - wrong - responses[0].clockAheadMs) < 60_000, `${right - wrong} ms`)
      }
    })
  }

  /** `20261126T012345Z` */
  function timeOf(amzDate) {
    const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(amzDate).map(Number)
    return Date.UTC(y, mo - 1, d, h, mi, s)
  }
})
