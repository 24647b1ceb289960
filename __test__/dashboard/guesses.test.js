'use strict'

// Guesses at the token, drawn by chance, against a model of what each client may try. A failure prints what draws the same
// again:
//
//   FC_SEED=123 FC_PATH=4:5 node --test __test__/dashboard/guesses.test.js

const assert = require('node:assert/strict')
const { createHmac } = require('node:crypto')
const { describe, test } = require('node:test')
const fc = require('fast-check')
const { newStorage } = require('../../index.js')
const { dashboard, metricsRoute } = require('../../lib/dashboard/index.js')
const { Guesses, MAX_CLIENTS, MAX_GUESSES, WINDOW_MS, clientOf } = require('../../lib/dashboard/guesses.js')

const TOKEN = 'a-token-for-tests-0123456789'
const storage = newStorage({ logger: false })
const seed = Number(process.env.FC_SEED ?? Date.now() & 0x7fffffff)
const from = (client, headers) => ({ ...headers, ...(client !== 'none' && { 'x-forwarded-for': client }) })

/** As the dashboard makes its cookie, by somebody who has a token to try. */
function cookieFor(token, ends = Math.floor(Date.now() / 1000) + 3600) {
  const proof = createHmac('sha256', token).update(`reliable-r2 dashboard until ${ends}`).digest('hex')
  return { cookie: `reliable_r2_dashboard=${ends}.${proof}` }
}

/** The ways to show a token. Each gives the response. */
const WAYS = {
  bearer: ({ GET }, client, token) =>
    GET(new Request('http://a/ops', { headers: from(client, { authorization: `Bearer ${token}` }) })),
  'bearer for JSON': ({ GET }, client, token) =>
    GET(new Request('http://a/ops?format=json', { headers: from(client, { authorization: `bearer ${token}` }) })),
  'a cookie': ({ GET }, client, token) =>
    GET(new Request('http://a/ops', { headers: from(client, cookieFor(token, 4_000_000_000)) })),
  'the form': ({ POST }, client, token) =>
    POST(new Request('http://a/ops', { method: 'POST', headers: from(client), body: new URLSearchParams({ token }) })),
}
const guess = fc.record({
  way: fc.constantFrom(...Object.keys(WAYS)),
  client: fc.constantFrom('none', '192.0.2.1', '192.0.2.2', '192.0.2.1, 10.0.0.1'),
  number: fc.nat(14),
  afterMs: fc.constantFrom(0, 0, 0, 1000, WINDOW_MS / 2, WINDOW_MS),
})

describe('guesses at the token of a dashboard', () => {
  test('each client may try some tokens, and waits for the next one; the right one of others is taken', async (t) => {
    t.diagnostic(`FC_SEED=${seed}`)
    let now = 0
    t.mock.method(performance, 'now', () => now)
    const check = async (guesses) => {
      const route = dashboard(storage, { token: TOKEN })
      const tried = new Map()
      for (const { way, client, number, afterMs } of guesses) {
        now += afterMs
        const isCookie = way === 'a cookie'
        const mine = (tried.get(client) ?? []).filter(({ at }) => at > now - WINDOW_MS)
        const isRight = number === 0
        const response = await WAYS[way](route, client, isRight ? TOKEN : `wrong-${number}`)
        if (mine.length >= MAX_GUESSES) {
          assert.equal(response.status, 429)
          const wait = Number(response.headers.get('retry-after')) * 1000
          assert.ok(wait >= mine[0].at + WINDOW_MS - now && wait <= WINDOW_MS + 1000, `Retry-After: ${wait} ms`)
          assert.equal(response.headers.get('set-cookie'), null)
        } else if (isRight) assert.equal(response.status, way === 'the form' ? 303 : 200)
        else {
          assert.equal(response.status, 401)
          if (!mine.some((one) => one.number === number && one.isCookie === isCookie))
            mine.push({ number, isCookie, at: now })
        }
        tried.set(client, mine)
      }
      assert.equal((await WAYS.bearer(route, '198.51.100.7', TOKEN)).status, 200, 'of a client that guessed nothing')
    }
    await fc.assert(fc.asyncProperty(fc.array(guess, { minLength: 1, maxLength: 80, size: 'max' }), check), {
      seed,
      path: process.env.FC_PATH,
      numRuns: 60,
    })
  })

  for (const [name, route] of Object.entries({
    dashboard: dashboard(storage, { token: TOKEN }),
    metricsRoute: metricsRoute(storage, { token: TOKEN }),
  })) {
    test(`${name}: the right token is not compared either, for a client that has guessed too often`, async () => {
      for (let number = 0; number < MAX_GUESSES; number += 1)
        assert.equal((await WAYS['bearer for JSON'](route, '192.0.2.1', `wrong-${number}`)).status, 401)
      const response = await WAYS['bearer for JSON'](route, '192.0.2.1', TOKEN)
      assert.equal(response.status, 429)
      assert.match(response.headers.get('retry-after'), /^(300|299)$/)
      assert.equal((await WAYS['bearer for JSON'](route, '192.0.2.2', TOKEN)).status, 200)
      assert.equal(
        (await route.GET(new Request('http://a/ops?format=json', { headers: from('192.0.2.1') }))).status,
        401,
        'who shows nothing guesses nothing',
      )
    })
  }

  test('the page says so to a person', async () => {
    const route = dashboard(storage, { token: TOKEN })
    for (let number = 0; number < MAX_GUESSES; number += 1) await WAYS['the form'](route, 'none', `wrong-${number}`)
    const response = await WAYS['the form'](route, 'none', TOKEN)
    assert.equal(response.status, 429)
    assert.match(response.headers.get('content-type'), /^text\/html/)
    assert.match(await response.text(), /role="?alert"?>Too many wrong tokens\./)
  })

  test('cookies in one request are a guess each', async () => {
    const route = dashboard(storage, { token: TOKEN })
    const cookies = Array.from({ length: 50 }, (_, number) => cookieFor(`wrong-${number}`).cookie)
    const ask = (cookie) => route.GET(new Request('http://a/ops', { headers: { cookie } }))
    assert.equal((await ask([...cookies, cookieFor(TOKEN).cookie].join('; '))).status, 429)
  })

  test('a page that still polls with the cookie of the last token, or with one that has expired, locks nobody out', async () => {
    const route = dashboard(storage, { token: TOKEN })
    const ask = (cookie) => route.GET(new Request('http://a/ops', { headers: cookie }))
    const last = cookieFor('the token before')
    for (let poll = 0; poll < 50; poll += 1) {
      assert.equal((await ask(last)).status, 401)
      assert.equal((await ask(cookieFor(TOKEN, 1000 + poll))).status, 401)
    }
    assert.equal((await WAYS['the form'](route, 'none', TOKEN)).status, 303)
  })

  test('no more than so many clients are remembered, and those who guess are the last that are forgotten', () => {
    const guesses = new Guesses(() => 0)
    for (let number = 0; number < MAX_GUESSES; number += 1) guesses.count('eager', String(number))
    for (let client = 0; client < MAX_CLIENTS * 3; client += 1) {
      guesses.count(`client ${client}`, 'x'.repeat(10_000))
      if (client % 100 === 0) guesses.count('eager', '0')
    }
    assert.equal(guesses.clients, MAX_CLIENTS)
    assert.ok(guesses.waitMs('eager') > 0)
  })

  test('a client is the addresses of all proxies, and half of an IPv6 address', () => {
    const client = (value) =>
      clientOf(new Request('http://a', { headers: value === undefined ? {} : { 'x-forwarded-for': value } }))
    const same = [
      ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:0DB8:1:2::'],
      ['2001:db8::1', '2001:db8:0:0:5::6', '2001:db8::'],
      ['::1', '0:0:0:0:0:0:0:2', '::'],
      ['::ffff:192.0.2.1'],
      ['::ffff:192.0.2.2'],
      ['192.0.2.1', ' 192.0.2.1 '],
      ['192.0.2.1, 10.0.0.1', '192.0.2.1,10.0.0.1'],
      ['10.0.0.1, 192.0.2.1'],
      ['not an address'],
      [undefined, ''],
      ['x'.repeat(8000)],
    ]
    const names = same.map((values) => [...new Set(values.map(client))])
    for (const [index, list] of names.entries()) assert.equal(list.length, 1, String(same[index]))
    assert.equal(new Set(names.flat()).size, names.length)
    assert.ok(names.flat().every((name) => name.length < 50))
  })
})
