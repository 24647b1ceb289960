'use strict'

// Events of calls that continue after their response, and over many requests.

const assert = require('node:assert/strict')
const { AsyncLocalStorage } = require('node:async_hooks')
const { after, afterEach, before, describe, test } = require('node:test')
const { breakerOpen, watch } = require('../../lib/alerts/index.js')
const { Lab, keys } = require('../support/lab.js')

const MIB = 1024 * 1024

describe('events', { timeout: 60_000 }, () => {
  let lab
  before(async () => {
    lab = await Lab.start()
  })
  after(() => lab.stop())
  afterEach(() => lab.faults())

  const receive = (storage, context) => {
    const received = []
    for (const name of ['attempt', 'retry', 'success', 'failure']) {
      storage.on(name, ({ operation, outcome, code, attempts }) =>
        received.push(
          [name, operation, outcome ?? attempts, code, context?.getStore()].filter((it) => it !== undefined),
        ),
      )
    }
    return received
  }

  test('a download ends when its bytes were read, in the context of its call', async () => {
    const context = new AsyncLocalStorage()
    const storage = lab.storage()
    await storage.uploadFile({ key: 'large', body: Buffer.alloc(3_000_000) })
    await lab.faults({ fault: 'truncate', method: 'GET', times: 1 })
    const received = receive(storage, context)
    const { body } = await context.run('request', () => storage.download({ key: 'large' }))
    assert.deepEqual(
      received.filter(([name]) => name === 'success'),
      [],
    )
    await new Response(body).arrayBuffer()
    assert.deepEqual(received, [
      ['attempt', 'download', 'failed', 'ECONNRESET', 'request'],
      ['retry', 'download', 'ECONNRESET', 'request'],
      ['attempt', 'download', 'succeeded', 'request'],
      ['success', 'download', 2, 'request'],
    ])
  })

  test('a download that breaks for good, is aborted or is cancelled says so', async () => {
    const storage = lab.storage()
    await storage.uploadFile({ key: 'large', body: Buffer.alloc(3_000_000) })
    await lab.faults(
      { fault: 'truncate', method: 'GET', times: 1 },
      { fault: 'status', status: 403, code: 'AccessDenied', method: 'GET' },
    )
    const received = receive(storage)
    const broken = await storage.download({ key: 'large' })
    await assert.rejects(new Response(broken.body).arrayBuffer())
    assert.deepEqual(
      received.map(([name]) => name),
      ['attempt', 'retry', 'attempt', 'failure'],
    )
    assert.equal(received.at(-1).at(-1), 'AccessDenied')

    await lab.faults()
    received.length = 0
    const controller = new AbortController()
    const aborted = await storage.download({ key: 'large', signal: controller.signal })
    controller.abort(null)
    await assert.rejects(new Response(aborted.body).arrayBuffer())
    assert.deepEqual(received, [['failure', 'download', 'aborted', 'ERR_ABORTED']])

    received.length = 0
    const cancelled = await storage.download({ key: 'large' })
    await cancelled.body.cancel()
    assert.deepEqual(received, [
      ['attempt', 'download', 'succeeded'],
      ['success', 'download', 1],
    ])
  })

  test('an upload in parts reports the failed attempts of its parts, and one end', async () => {
    const storage = lab.storage({ multipartThresholdBytes: 5 * MIB, partSizeBytes: 5 * MIB })
    await lab.faults({ fault: 'reset', method: 'PUT', times: 2 })
    const received = receive(storage)
    await storage.uploadFile({ key: 'parts', body: Buffer.alloc(12 * MIB) })
    const names = received.map(([name, , outcome]) => (name === 'attempt' ? outcome : name))
    assert.deepEqual(names, ['failed', 'retry', 'failed', 'retry', 'succeeded', 'success'])
  })

  test('a breaker reports listeners, the log, the metrics and the alerts', async () => {
    const lines = []
    const logger = { warn: (line) => lines.push(line), info: (line) => lines.push(line) }
    const storage = lab.storage({ logger })
    const context = new AsyncLocalStorage()
    const received = []
    let closed
    const isClosed = new Promise((resolve) => (closed = resolve))
    storage.on('breaker', (event) => {
      received.push([event, context.getStore()])
      if (event.state === 'closed') closed()
    })
    const reported = []
    const watching = watch(storage, {
      rules: [breakerOpen()],
      onAlert: ({ state, subject }) => reported.push([state, subject]),
    })
    const endpoint = new URL(lab.proxy).origin
    await context.run('request', async () => {
      await storage.uploadFile({ key: 'a', body: 'x' })
      storage.setBreaker('open')
      watching.check()
      storage.setBreaker('closed')
      await isClosed
      watching.check()
    })
    watching.stop()
    const [[opened, first], [wellAgain, second]] = received
    assert.deepEqual([opened.endpoint, opened.state, opened.previousState], [endpoint, 'open', 'closed'])
    assert.ok(opened.retryAfterMs > 0)
    assert.deepEqual(wellAgain, { endpoint, state: 'closed', previousState: 'open' })
    assert.deepEqual([first, second], [undefined, undefined], 'of no call')
    assert.match(
      lines[0],
      /^\[Storage\] Circuit breaker of http:\/\/127\.0\.0\.1:\d+ opened: nothing is sent there for \d+ ms$/,
    )
    assert.match(lines[1], /closed: requests pass again$/)
    assert.deepEqual(reported, [
      ['firing', endpoint],
      ['resolved', endpoint],
    ])
  })

  test('a failover is reported with the failure that caused it, in the context of the call', async () => {
    const lines = []
    const context = new AsyncLocalStorage()
    const dead = 'http://127.0.0.1:9'
    const storage = lab.storage({
      endpoint: undefined,
      endpoints: [{ endpoint: dead, ...keys, bucket: 'pictures' }, { endpoint: lab.proxy }],
      retry: { maxAttempts: 2, initialDelayMs: 5, maxDelayMs: 10, timeout: 2000 },
      logger: { warn: (line) => lines.push(line) },
    })
    await lab.faults({ fault: 'reset', method: 'PUT', times: 1 })
    const received = []
    for (const name of ['attempt', 'retry', 'failover', 'success']) {
      storage.on(name, ({ attempt, outcome, code, endpoint, attempts }) => {
        received.push(
          [name, attempt, outcome, code, endpoint, attempts, context.getStore()].filter((it) => it !== undefined),
        )
      })
    }
    const { failedOver } = await context.run('request', () => storage.uploadFile({ key: 'there', body: 'x' }))
    assert.equal(failedOver, true)
    const other = new URL(lab.proxy).origin
    assert.deepEqual(received, [
      ['attempt', 1, 'failed', 'ECONNREFUSED', 'request'],
      ['retry', 1, 'ECONNREFUSED', 'request'],
      ['attempt', 2, 'failed', 'ECONNREFUSED', 'request'],
      ['failover', 'ECONNREFUSED', other, 'request'],
      ['attempt', 1, 'failed', 'ECONNRESET', 'request'],
      ['retry', 1, 'ECONNRESET', 'request'],
      ['attempt', 2, 'succeeded', 'request'],
      ['success', other, 2, 'request'],
    ])
    assert.ok(
      lines.some((line) => line.startsWith(`[Storage] Upload fails over to ${other} after ECONNREFUSED (key "there")`)),
      lines.join('\n'),
    )
  })
})
