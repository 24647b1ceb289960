'use strict'

const assert = require('node:assert/strict')
const { AsyncLocalStorage } = require('node:async_hooks')
const diagnostics = require('node:diagnostics_channel')
const { after, before, describe, test } = require('node:test')
const api = require('../../index.js')
const { Events } = require('../../lib/observability/events.js')
const { makeObservability } = require('../../lib/observability/index.js')
const { startServer } = require('./support/server.js')

const NAMES = ['attempt', 'retry', 'success', 'failure', 'breaker', 'failover']
const quick = { maxAttempts: 3, initialDelayMs: 5, maxDelayMs: 10, timeout: 2000 }

describe('events', () => {
  let server
  before(async () => {
    server = await startServer()
  })
  after(() => server.close())

  const open = () => api.newStorage({ ...server.config, retry: quick })
  const receive = (storage, names = NAMES) => {
    const received = []
    for (const name of names) storage.on(name, (event) => received.push([name, event]))
    return received
  }

  test('report each attempt, each retry and how the call ended, in their order', async () => {
    const storage = open()
    const received = receive(storage)
    server.respond('reset', 503)
    await storage.uploadFile({ key: 'a/b.txt', body: 'hello' })
    const reported = received.map(([name, { operation, key, attempt, outcome, code, attempts, size, bucket }]) => {
      assert.deepEqual([operation, key], ['uploadFile', 'a/b.txt'])
      return [name, outcome, attempt, code, attempts, size, bucket]
    })
    assert.deepEqual(reported, [
      ['attempt', 'failed', 1, 'ECONNRESET', undefined, undefined, undefined],
      ['retry', undefined, 1, 'ECONNRESET', undefined, undefined, undefined],
      ['attempt', 'failed', 2, received[2][1].code, undefined, undefined, undefined],
      ['retry', undefined, 2, received[2][1].code, undefined, undefined, undefined],
      ['attempt', 'succeeded', 3, undefined, undefined, undefined, undefined],
      ['success', undefined, undefined, undefined, 3, 5, 'pictures'],
    ])
    for (const [, event] of received) {
      assert.ok(Object.isFrozen(event))
      assert.ok(event.elapsedMs >= (event.attemptMs ?? 0), JSON.stringify(event))
    }
    assert.equal(received[2][1].status, 503)
    storage.close()
  })

  test('a failed call reports its last attempt and its error; a call that sent nothing has no attempt', async () => {
    const storage = open()
    const received = receive(storage)
    server.respond(403)
    const error = await storage.uploadFile({ key: 'k', body: 'x' }).then(assert.fail, (e) => e)
    const [[, attempt], [, failure]] = received
    assert.deepEqual(
      received.map(([name]) => name),
      ['attempt', 'failure'],
    )
    assert.deepEqual(
      [attempt.outcome, attempt.attempt, attempt.code, attempt.category, attempt.status],
      ['failed', 1, error.code, 'auth', 403],
    )
    assert.equal(failure.error, error)
    assert.deepEqual([failure.code, failure.category, failure.attempts], [error.code, 'auth', 1])

    received.length = 0
    await assert.rejects(storage.uploadFile({ key: 'k', body: 'x', headers: { 'bad name': 'x' } }), api.InputError)
    assert.deepEqual(
      received.map(([name, { category, attempts }]) => [name, category, attempts]),
      [['failure', 'input', 0]],
    )
    storage.close()
  })

  test('what is aborted is no failed attempt, and its failure has the reason', async () => {
    const storage = open()
    const received = receive(storage)
    const reason = new Error('the page is gone')
    const controller = new AbortController()
    const call = storage.uploadFile({ key: 'k', body: 'x', signal: controller.signal })
    controller.abort(reason)
    await assert.rejects(call, reason)
    assert.deepEqual(
      received.map(([name, { code, category, error }]) => [name, code, category, error]),
      [['failure', 'ERR_ABORTED', 'aborted', reason]],
    )
    storage.close()
  })

  test('run in the async context of their call', async () => {
    const storage = open()
    const context = new AsyncLocalStorage()
    const received = []
    // Not in the context of whoever listens.
    context.run('listener', () => {
      for (const name of NAMES) storage.on(name, ({ key }) => received.push([name, key, context.getStore()]))
    })
    server.respond('reset', 'reset')
    await Promise.all(
      ['one', 'two'].map((request) => context.run(request, () => storage.uploadFile({ key: request, body: 'x' }))),
    )
    assert.ok(received.some(([name]) => name === 'retry'))
    for (const [name, key, request] of received) assert.equal(request, key, name)
    assert.equal(new Set(received.map(([, key]) => key)).size, 2)
    storage.close()
  })

  test('a listener that throws costs a warning, once, and nothing else', async () => {
    const warnings = []
    const listen = ({ message }) => warnings.push(message)
    process.on('warning', listen)
    const storage = open()
    const received = []
    storage
      .on('success', () => {
        throw new Error('mine')
      })
      .on('success', async () => {
        throw new Error('later')
      })
    storage.on('success', () => {
      throw Object.defineProperty(new Error('odd'), 'stack', {
        get() {
          throw new Error('no')
        },
      })
    })
    storage.on('success', (event) => received.push(Reflect.set(event, 'key', 'other')))
    storage.on('success', ({ key }) => received.push(key))
    for (const key of ['a', 'b']) await storage.uploadFile({ key, body: 'x' })
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', listen)
    assert.deepEqual(received, [false, 'a', false, 'b'])
    assert.equal(
      warnings.filter((text) => text.startsWith("a listener of 'success' threw")).length,
      3,
      warnings.join('\n'),
    )
    storage.close()
  })

  test('a listener that adds itself again receives the next event, and not this one again', async () => {
    const storage = open()
    let calls = 0
    const again = () => {
      calls += 1
      if (calls < 100) storage.off('success', again).on('success', again)
    }
    storage.on('success', again).on('success', () => {})
    await storage.uploadFile({ key: 'k', body: 'x' })
    assert.equal(calls, 1)
    storage.close()
  })

  test("a listener is added once, is removed, and is its storage's own", async () => {
    const [storage, other] = [open(), open()]
    let calls = 0
    const listener = () => (calls += 1)
    assert.equal(storage.on('success', listener).on('success', listener), storage)
    await storage.uploadFile({ key: 'k', body: 'x' })
    await other.uploadFile({ key: 'k', body: 'x' })
    assert.equal(calls, 1)
    assert.equal(storage.off('success', listener).off('success', listener).off('retry', listener), storage)
    await storage.uploadFile({ key: 'k', body: 'x' })
    assert.equal(calls, 1)
    storage.close()
    other.close()
  })

  test('channels report every storage', async () => {
    const received = []
    const listen = (event, name) => received.push([name, event.key])
    for (const name of NAMES) diagnostics.subscribe(`reliable-r2:${name}`, listen)
    const storage = open()
    server.respond('reset')
    await storage.uploadFile({ key: 'k', body: 'x' })
    for (const name of NAMES) diagnostics.unsubscribe(`reliable-r2:${name}`, listen)
    await storage.uploadFile({ key: 'unheard', body: 'x' })
    assert.deepEqual(
      received,
      ['attempt', 'retry', 'attempt', 'success'].map((name) => [`reliable-r2:${name}`, 'k']),
    )
    storage.close()
  })

  test('no event is made while nobody listens', async (t) => {
    const emit = t.mock.method(Events.prototype, 'emit')
    const storage = open()
    server.respond('reset')
    await storage.uploadFile({ key: 'k', body: 'x' })
    server.respond(403)
    await assert.rejects(storage.uploadFile({ key: 'k', body: 'x' }))
    assert.equal(emit.mock.callCount(), 0)
    storage.on('success', () => {})
    await storage.uploadFile({ key: 'k', body: 'x' })
    assert.equal(emit.mock.callCount(), 1)
    storage.close()
  })

  test('a listener is removed by once and by its signal', async () => {
    const storage = open()
    const received = []
    const controller = new AbortController()
    storage.on('success', () => received.push('once'), { once: true })
    storage.on('success', () => received.push('until aborted'), { signal: controller.signal })
    storage.on('success', () => received.push('never'), { signal: AbortSignal.abort() })
    for (const abort of [false, true, false]) {
      await storage.uploadFile({ key: 'k', body: 'x' })
      if (abort) controller.abort()
    }
    assert.deepEqual(received, ['once', 'until aborted', 'until aborted'])
    for (const options of [{ once: 1 }, { signal: {} }, { capture: true }, true]) {
      assert.throws(() => storage.on('success', () => {}, options), { name: 'InputError', operation: 'on' })
    }
    storage.close()
  })

  test('wrong names and listeners are refused', () => {
    const storage = open()
    assert.throws(() => storage.on('sucess', () => {}), {
      name: 'InputError',
      message: /unknown event.*did you mean 'success'\?/,
    })
    assert.throws(() => storage.off('toString', () => {}), { name: 'InputError' })
    assert.throws(() => storage.on(Symbol('x'), () => {}), { name: 'InputError' })
    assert.throws(() => storage.on('retry', 'x'), { name: 'InputError', option: 'listener' })
    const { on } = storage
    assert.throws(() => on('retry', () => {}), TypeError)
    storage.close()
  })
})

test('a breaker is reported to all in the context of no call', () => {
  const context = new AsyncLocalStorage()
  const lines = []
  const logger = { warn: (line) => lines.push(['warn', line]), info: (line) => lines.push(['info', line]) }
  const signals = makeObservability({ logger, openTelemetry: false })
  const received = []
  signals.events.on('breaker', (event) => received.push([event, context.getStore()]))
  const endpoint = 'https://host.example'
  context.run('a call', () => {
    signals.breaker({ id: 0, kind: 'breaker', endpoint, state: 'open', previousState: 'closed', retryAfterMs: 5000 })
    signals.breaker({ id: 0, kind: 'breaker', endpoint, state: 'halfOpen', previousState: 'open', retryAfterMs: null })
    signals.breaker({ id: 0, kind: 'breaker', endpoint, state: 'closed', previousState: 'halfOpen' })
  })
  assert.deepEqual(received, [
    [{ endpoint, state: 'open', previousState: 'closed', retryAfterMs: 5000 }, undefined],
    [{ endpoint, state: 'halfOpen', previousState: 'open' }, undefined],
    [{ endpoint, state: 'closed', previousState: 'halfOpen' }, undefined],
  ])
  assert.deepEqual(lines, [
    ['warn', '[Storage] Circuit breaker of https://host.example opened: nothing is sent there for 5000 ms'],
    ['info', '[Storage] Circuit breaker of https://host.example half-open: sending one probe'],
    ['info', '[Storage] Circuit breaker of https://host.example closed: requests pass again'],
  ])
})
