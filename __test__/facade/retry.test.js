'use strict'

const assert = require('node:assert/strict')
const { AsyncLocalStorage } = require('node:async_hooks')
const { getEventListeners } = require('node:events')
const test = require('node:test')

const { StorageError, TimeoutError, isRetryableError, retryWithBackoff } = require('../../index.js')
const { fromFailure } = require('../../lib/errors.js')

const quick = { initialDelayMs: 1, maxDelayMs: 2 }
const coded = (code, message = code) => Object.assign(new Error(message), { code })

test('calls again until it succeeds', async () => {
  const attempts = []
  const events = []
  const value = await retryWithBackoff(
    async ({ attempt, signal }) => {
      attempts.push(attempt)
      assert.ok(signal instanceof AbortSignal && !signal.aborted)
      if (attempt < 3) throw coded('ECONNRESET')
      return 'done'
    },
    { ...quick, onRetry: (event) => events.push(event) },
  )
  assert.equal(value, 'done')
  assert.deepEqual(attempts, [1, 2, 3])
  assert.deepEqual(
    events.map(({ attempt, maxAttempts, code }) => [attempt, maxAttempts, code]),
    [
      [1, 4, 'ECONNRESET'],
      [2, 4, 'ECONNRESET'],
    ],
  )
  assert.ok(events.every(({ error, delayMs }) => error.code === 'ECONNRESET' && delayMs <= 2))
})

test('a function that is not async will do', async () => {
  assert.equal(await retryWithBackoff(() => 5), 5)
  assert.equal(await retryWithBackoff(() => ({ then: (resolve) => resolve(6) })), 6)
})

test('the last error comes out untouched', async () => {
  const errors = [1, 2].map(() => Object.freeze(coded('ECONNRESET')))
  const promise = retryWithBackoff(
    ({ attempt }) => {
      throw errors[attempt - 1]
    },
    { ...quick, maxAttempts: 2 },
  )
  await assert.rejects(promise, (error) => error === errors[1])
})

test('what cannot be fixed is not repeated', async () => {
  for (const thrown of [
    new TypeError('x is not a function'),
    'a string',
    undefined,
    null,
    Object.assign(new Error('no'), { status: 404 }),
  ]) {
    let calls = 0
    const outcome = await retryWithBackoff(() => {
      calls += 1
      throw thrown
    }, quick).then(
      () => assert.fail(),
      (error) => ({ error }),
    )
    assert.equal(outcome.error, thrown)
    assert.equal(calls, 1)
  }
})

test('a storage error is believed', async () => {
  const final = fromFailure({ category: 'network', code: 'ECONNRESET', message: 'x', retryable: false, causes: [] })
  let calls = 0
  await assert.rejects(
    retryWithBackoff(() => {
      calls += 1
      throw final
    }, quick),
    (error) => error === final,
  )
  assert.equal(calls, 1)
})

test('an attempt ends at its timeout even if the function does not listen', async () => {
  const signals = []
  const started = performance.now()
  const promise = retryWithBackoff(
    ({ signal }) => {
      signals.push(signal)
      return new Promise(() => {})
    },
    {
      ...quick,
      maxAttempts: 2,
      timeout: 30,
      timeoutGrowth: 2,
    },
  )
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof TimeoutError)
    assert.match(error.message, /timeout/)
    assert.deepEqual([error.code, error.retryable, error.attempts], ['ETIMEDOUT', true, 2])
    return true
  })
  const elapsed = performance.now() - started
  assert.ok(elapsed >= 85 && elapsed < 1000, `30 + 60 ms, took ${elapsed}`)
  assert.ok(signals.every((signal) => signal.aborted && signal.reason instanceof TimeoutError))
})

test('a late rejection of a function that timed out harms nobody', async () => {
  const late = () => new Promise((_, reject) => setTimeout(reject, 30, new Error('late')))
  await assert.rejects(retryWithBackoff(late, { ...quick, maxAttempts: 1, timeout: 5 }), TimeoutError)
  await new Promise((resolve) => setTimeout(resolve, 60))
})

test('a signal ends an attempt and a wait at once, with its reason', async () => {
  const reason = new Error('gone')
  const already = AbortSignal.abort(reason)
  await assert.rejects(
    retryWithBackoff(() => assert.fail('called'), { signal: already }),
    (error) => error === reason,
  )
  for (const fn of [
    () => new Promise(() => {}),
    () => {
      throw coded('ECONNRESET')
    },
  ]) {
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 20)
    const started = performance.now()
    await assert.rejects(
      retryWithBackoff(fn, { preset: 'aggressive', signal: controller.signal }),
      (error) => error === reason,
    )
    assert.ok(performance.now() - started < 200)
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
  }
})

test('the function is notified of the abort', async () => {
  const controller = new AbortController()
  let seen
  const promise = retryWithBackoff(
    ({ signal }) => {
      seen = signal
      controller.abort('why')
      return new Promise(() => {})
    },
    { signal: controller.signal },
  )
  assert.equal(await promise.catch((reason) => reason), 'why')
  assert.equal(seen.reason, 'why')
})

test('a callback that throws costs a warning only, and has the context of the call', async () => {
  const context = new AsyncLocalStorage()
  const warned = new Promise((resolve) => process.once('warning', resolve))
  let store
  const value = await context.run('request', () =>
    retryWithBackoff(
      ({ attempt }) => {
        if (attempt === 1) throw coded('EPIPE')
        return 1
      },
      {
        ...quick,
        onRetry() {
          store = context.getStore()
          throw new Error('mine')
        },
      },
    ),
  )
  assert.equal(value, 1)
  assert.equal(store, 'request')
  assert.match((await warned).message, /onRetry threw/)
})

test('Retry-After is obeyed', async () => {
  const busy = Object.assign(new Error('busy'), {
    status: 429,
    response: { headers: new Headers({ 'retry-after': '1' }) },
  })
  const started = performance.now()
  await retryWithBackoff(({ attempt }) => {
    if (attempt === 1) throw busy
  }, quick)
  assert.ok(performance.now() - started >= 990)
})

test('errors are judged by their chain of causes', () => {
  const wrap = (cause, message = 'fetch failed') => new TypeError(message, { cause })
  const loop = new Error('a')
  loop.cause = loop
  const getter = {
    get name() {
      throw new Error('no')
    },
    get cause() {
      throw new Error('no')
    },
  }
  let deep = coded('ECONNRESET')
  for (let i = 0; i < 20; i += 1) deep = new Error('link', { cause: deep })
  const table = [
    [wrap(coded('ECONNRESET')), true],
    [wrap(wrap(coded('EAI_AGAIN'), 'outer')), true],
    [wrap(undefined), true],
    [wrap(coded('CERT_HAS_EXPIRED')), false],
    [wrap(new AggregateError([coded('ECONNREFUSED'), coded('ECONNREFUSED')])), true],
    [new AggregateError([coded('ETIMEDOUT')]), true],
    [{ $metadata: { httpStatusCode: 503 }, name: 'SlowDown' }, true],
    [{ response: { status: 502 } }, true],
    [{ statusCode: 403 }, false],
    [{ name: 'AbortError' }, false],
    [new DOMException('too long', 'TimeoutError'), true],
    [{ status: '503' }, false],
    [{ status: NaN, code: 42, message: {} }, false],
    [loop, false],
    [getter, false],
    [deep, false],
    ...[undefined, null, 0, '', 'ECONNRESET', Symbol('x'), () => {}].map((value) => [value, false]),
    [fromFailure({ category: 'service', code: 'x', message: 'x', retryable: true, causes: [] }), true],
    [fromFailure({ category: 'network', code: 'ECONNRESET', message: 'x', retryable: false, causes: [] }), false],
  ]
  for (const [index, [error, expected]] of table.entries())
    assert.equal(isRetryableError(error), expected, `row ${index}`)
  assert.ok(StorageError)
})
