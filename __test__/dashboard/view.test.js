'use strict'

const assert = require('node:assert/strict')
const { after, afterEach, before, describe, test } = require('node:test')
const { dashboard } = require('../../lib/dashboard/index.js')
const { VERSION } = require('../../index.js')
const { Lab } = require('../support/lab.js')

describe('the JSON view', { timeout: 60_000 }, () => {
  let lab
  before(async () => {
    lab = await Lab.start()
  })
  after(() => lab.stop())
  afterEach(() => lab.faults())

  const viewOf = async (storage, query = '?format=json') => {
    const { GET } = dashboard(storage, { authorize: () => true })
    const response = await GET(new Request(`http://localhost/ops${query}`))
    assert.match(response.headers.get('content-type'), /^application\/json/)
    return await response.json()
  }

  test('of a storage that was never used', async () => {
    const { at, ageMs, process: responding, ...view } = await viewOf(lab.storage())
    assert.ok(Math.abs(Date.now() - at) < 10_000 && ageMs >= 0)
    assert.equal(responding.pid, process.pid)
    const { health, operations, failures, meanings, version, canSignOut } = view
    assert.deepEqual(
      { health, operations, failures, meanings, version, canSignOut },
      {
        health: { state: 'unused', reasons: [] },
        operations: {},
        failures: [],
        meanings: {},
        version: VERSION,
        canSignOut: false,
      },
    )
  })

  test('has what metrics() has, what failed, and what codes mean', async () => {
    const storage = lab.storage()
    await lab.faults(
      { fault: 'reset', method: 'PUT', times: 2 },
      { fault: 'status', status: 403, code: 'AccessDenied', method: 'PUT', keyContains: 'denied' },
    )
    await storage.uploadFile({ key: 'a', body: 'hello' })
    await assert.rejects(storage.uploadFile({ key: '<b>denied</b>', body: 'hello' }))
    const view = await viewOf(storage)
    const { operations, endpoints } = storage.metrics()
    assert.deepEqual(view.operations, JSON.parse(JSON.stringify(operations)))
    assert.deepEqual(
      view.endpoints.map(({ endpoint, role, bucket }) => ({ endpoint, role, bucket })),
      [{ endpoint: lab.proxy, role: 'primary', bucket: 'pictures' }],
    )
    assert.equal(endpoints.length, 1)
    assert.equal(view.endpoints[0].breaker.state, 'closed')
    const { retries, failed, succeeded } = view.operations.uploadFile.history.lastFiveMinutes.at(-1)
    assert.ok(retries > 0 || failed + succeeded > 0)
    assert.equal(view.failures[0].key, '<b>denied</b>')
    assert.ok(view.failures[0].advice.steps.length > 0)
    assert.deepEqual(Object.keys(view.meanings).sort(), ['AccessDenied', 'ECONNRESET'])
    assert.equal(view.health.state, 'degraded')
  })
})
