'use strict'

const assert = require('node:assert/strict')
const { describe, test } = require('node:test')
const { newStorage } = require('../../index.js')
const { metricsRoute } = require('../../lib/dashboard/index.js')

const TOKEN = '0123456789abcdef0123456789abcdef'
const storage = newStorage({
  endpoint: 'http://127.0.0.1:9',
  accessKey: 'a',
  secretKey: 'b',
  bucket: 'pictures',
  logger: false,
  retry: { maxAttempts: 1 },
})

function scrape(route, headers = {}) {
  return route.GET(new Request('http://localhost/api/metrics', { headers }))
}

describe('metricsRoute', () => {
  test('a scrape with the token gets OpenMetrics', async () => {
    await storage.uploadFile({ key: 'k', body: 'x' }).catch(() => {})
    const response = await scrape(metricsRoute(storage, { token: TOKEN }), { authorization: `Bearer ${TOKEN}` })
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('content-type'), 'application/openmetrics-text; version=1.0.0; charset=utf-8')
    assert.equal(response.headers.get('cache-control'), 'no-store')
    const text = await response.text()
    assert.match(text, /reliable_r2_calls_total\{operation="uploadFile",outcome="failed"\} 1/)
    assert.ok(text.endsWith('# EOF\n'))
  })

  test('a scrape without the token, or with another, gets 401 and no metrics', async () => {
    const route = metricsRoute(storage, { token: TOKEN })
    for (const headers of [
      {},
      { authorization: 'Bearer wrong' },
      { authorization: TOKEN },
      { authorization: `Basic ${TOKEN}` },
      { authorization: `Bearer ${TOKEN}x` },
    ]) {
      const response = await scrape(route, headers)
      assert.deepEqual([response.status, response.headers.get('www-authenticate')], [401, 'Bearer'])
      assert.doesNotMatch(await response.text(), /reliable_r2/)
    }
    assert.equal(
      (await route.GET(new Request(`http://localhost/api/metrics?token=${TOKEN}`))).status,
      401,
      'never from a URL',
    )
  })

  test('without a token and authorize every request gets 404', async () => {
    for (const options of [undefined, {}, { token: undefined }, { token: '' }]) {
      const response = await scrape(metricsRoute(storage, options), { authorization: 'Bearer undefined' })
      assert.equal(response.status, 404)
    }
  })

  test('authorize decides, and only true opens', async () => {
    for (const [decision, status] of [
      [true, 200],
      [Promise.resolve(true), 200],
      [false, 404],
      [1, 404],
      ['yes', 404],
      [undefined, 404],
    ]) {
      assert.equal((await scrape(metricsRoute(storage, { authorize: () => decision }))).status, status)
    }
    const thrown = new Error('redirect')
    await assert.rejects(
      scrape(
        metricsRoute(storage, {
          authorize: () => {
            throw thrown
          },
        }),
      ),
      (error) => error === thrown,
    )
  })

  test('the request is read even where nobody has access, so that no framework renders the route in advance', async () => {
    let reads = 0
    const request = { url: 'http://localhost/', headers: { get: () => void (reads += 1) } }
    assert.equal((await metricsRoute(storage, { token: undefined }).GET(request)).status, 404)
    assert.ok(reads > 0)
  })

  test('mistakes are refused when the route is made', () => {
    for (const [given, options] of [
      [{}, {}],
      [null, {}],
      [storage, { token: 'short' }],
      [storage, { token: TOKEN, authorize() {} }],
      [storage, { tokn: TOKEN }],
      [storage, { authorize: true }],
    ]) {
      assert.throws(() => metricsRoute(given, options), {
        name: 'InputError',
        code: 'ERR_INVALID_OPTION',
        operation: 'metricsRoute',
      })
    }
  })
})
