'use strict'

const assert = require('node:assert/strict')
const { after, afterEach, before, describe, test } = require('node:test')
const { newStorage } = require('../../index.js')
const { Lab } = require('../support/lab.js')

describe('metrics', { timeout: 60_000 }, () => {
  let lab
  before(async () => {
    lab = await Lab.start()
  })
  after(() => lab.stop())
  afterEach(() => lab.faults())

  test('a call that gets what it asks about is rejected, not failed, wherever it is counted', async () => {
    const storage = lab.storage({ logger: false })
    const outcomes = []
    storage.on('failure', ({ operation, outcome }) => outcomes.push([operation, outcome]))
    await storage.uploadFile({ key: 'lock', body: 'mine' })
    await assert.rejects(storage.uploadFile({ key: 'lock', body: 'theirs', ifNoneMatch: '*' }), { status: 412 })
    await assert.rejects(storage.head({ key: 'nothing' }), { status: 404 })
    await assert.rejects(storage.download({ key: 'nothing' }), { status: 404 })
    await assert.rejects(storage.uploadFile({ key: '', body: 'x' }), { code: 'ERR_INVALID_KEY' })
    assert.deepEqual(
      outcomes.filter(([, outcome]) => outcome !== 'rejected'),
      [],
    )
    const { operations } = storage.metrics()
    for (const operation of ['uploadFile', 'head', 'download']) {
      const { rejected, failed, failuresByCode } = operations[operation].total
      assert.deepEqual([rejected, failed, failuresByCode], [1, 0, {}], operation)
      assert.match(
        storage.metricsText(),
        new RegExp(`^reliable_r2_calls_total\\{operation="${operation}",outcome="rejected"\\} 1$`, 'm'),
      )
    }
    assert.deepEqual(storage.recentFailures(), [])
    storage.close()
  })

  test('count what calls came to, and why they were retried', async () => {
    const storage = lab.storage()
    await lab.faults(
      { fault: 'reset', method: 'PUT', times: 2 },
      { fault: 'status', status: 503, code: 'SlowDown', method: 'PUT', times: 1 },
      { fault: 'status', status: 403, code: 'AccessDenied', method: 'PUT', keyContains: 'denied' },
      { fault: 'hang', method: 'PUT', keyContains: 'hang' },
    )
    await storage.uploadFile({ key: 'a', body: 'hello' })
    await assert.rejects(storage.uploadFile({ key: 'denied', body: 'hello' }))
    await assert.rejects(storage.uploadFile({ key: 'hang', body: 'hello', signal: AbortSignal.timeout(50) }))
    await assert.rejects(storage.uploadFile({ key: '', body: 'hello' }))
    await storage.head({ key: 'a' })

    const { operations, endpoints, ageMs } = storage.metrics()
    const { uploadFile, head, ...others } = operations
    assert.deepEqual(Object.keys(others), [])
    for (const window of ['total', 'lastMinute', 'lastFiveMinutes', 'lastHour']) {
      const { latencyMs, phasesMs, ...counts } = uploadFile[window]
      assert.deepEqual(counts, {
        calls: 3,
        succeeded: 1,
        failed: 1,
        rejected: 0,
        aborted: 1,
        successRate: 0.5,
        // Four of the first, one of the second; the third was aborted in its first.
        attempts: 5,
        retries: 3,
        retriesByCode: { ECONNRESET: 2, SlowDown: 1 },
        failuresByCode: { AccessDenied: 1 },
        storedBytes: 5,
      })
      assert.ok(phasesMs.attempt.max <= latencyMs.max * 1.07 && phasesMs.wait.max > 0)
      assert.ok(
        latencyMs.p50 > 0 &&
          latencyMs.p50 <= latencyMs.p95 &&
          latencyMs.p95 <= latencyMs.p99 &&
          latencyMs.p99 <= latencyMs.max,
      )
    }
    assert.deepEqual([head.total.calls, head.total.successRate], [1, 1])
    const { lastFiveMinutes, lastHour } = uploadFile.history
    const sum = (steps, name) => steps.reduce((total, step) => total + step[name], 0)
    assert.deepEqual(
      [lastFiveMinutes, lastHour].map((steps) => [
        sum(steps, 'succeeded'),
        sum(steps, 'failed'),
        sum(steps, 'retries'),
      ]),
      [
        [1, 1, 3],
        [1, 1, 3],
      ],
    )
    assert.ok(Math.abs(lastHour[0].at - Date.now()) < 120_000 && ageMs > 0)
    assert.deepEqual(endpoints, [
      {
        endpoint: lab.proxy,
        bucket: 'pictures',
        role: 'primary',
        breaker: { state: 'closed', retryAfterMs: null, opened: 0 },
        pacing: { limiting: false, requestsPerSecond: null, concurrency: null },
        inFlight: 0,
        queued: 0,
        reconnects: 0,
        verifiedBy: { objects: 'checksum', parts: null },
      },
    ])
    const text = storage.metricsText()
    assert.match(text, /^reliable_r2_calls_total\{operation="uploadFile",outcome="succeeded"\} 1$/m)
    assert.match(text, /^reliable_r2_retries_total\{operation="uploadFile",code="ECONNRESET"\} 2$/m)
    assert.ok(text.endsWith('# EOF\n'))
  })

  test('a download that breaks for good is a failed one', async () => {
    const storage = lab.storage()
    await storage.uploadFile({ key: 'large', body: Buffer.alloc(3_000_000) })
    await lab.faults(
      { fault: 'truncate', method: 'GET', times: 1 },
      { fault: 'status', status: 403, code: 'AccessDenied', method: 'GET' },
    )
    const { body } = await storage.download({ key: 'large' })
    await assert.rejects(new Response(body).arrayBuffer())
    const { succeeded, failed, retriesByCode } = storage.metrics().operations.download.total
    assert.deepEqual([succeeded, failed, retriesByCode], [0, 1, { ECONNRESET: 1 }])
  })

  test('each storage has its own; one that was never used has none', () => {
    const storage = newStorage()
    assert.deepEqual(
      [storage.metrics(), storage.metricsText()],
      [{ ageMs: 0, operations: {}, endpoints: [] }, '# EOF\n'],
    )
    const { metrics } = storage
    assert.throws(() => metrics(), TypeError)
  })
})
