'use strict'

const assert = require('node:assert/strict')
const { describe, test } = require('node:test')
const { dashboard } = require('../../lib/dashboard/index.js')
const { newStorage } = require('../../index.js')

const TOKEN = 'a-token-for-tests-0123456789'
const URL_OF_PAGE = 'https://app.example/ops/storage'
const storage = newStorage({ logger: false })

const ask = (route, { url = URL_OF_PAGE, ...headers } = {}) => route.GET(new Request(url, { headers }))
const askJson = (route, headers) => ask(route, { accept: 'application/json', ...headers })
const bearer = (token) => ({ authorization: `Bearer ${token}` })

const post = (route, fields, headers) =>
  route.POST(new Request(URL_OF_PAGE, { method: 'POST', body: new URLSearchParams(fields), headers }))

async function signIn(route, headers) {
  const response = await post(route, { token: TOKEN }, headers)
  assert.equal(response.status, 303)
  return response
}

const cookieOf = (response) => response.headers.get('set-cookie').split(';')[0]

describe('who gets in', () => {
  for (const [name, options] of Object.entries({
    nothing: undefined,
    'no options': {},
    'no token': { token: undefined },
    'an empty token': { token: '' },
  })) {
    test(`${name}: nobody, and nothing shows that it is there`, async () => {
      const route = dashboard(storage, options)
      const responses = [
        await ask(route),
        await askJson(route, bearer('')),
        await askJson(route, bearer('undefined')),
        await post(route, { token: '' }),
      ]
      for (const response of responses) {
        assert.equal(response.status, 404)
        assert.equal(await response.text(), 'Not found\n')
      }
    })
  }

  test('a request without the token gets the form, or 401', async () => {
    const route = dashboard(storage, { token: TOKEN })
    const page = await ask(route, { accept: 'text/html,application/json;q=0.9' })
    assert.equal(page.status, 401)
    assert.match(await page.text(), /<input id="?token"? name="?token"? type="?password"?/)
    const json = await askJson(route)
    assert.deepEqual(
      [json.status, json.headers.get('www-authenticate'), Object.keys(await json.json())],
      [401, 'Bearer', ['error']],
    )
  })

  test('the token as a bearer', async () => {
    const route = dashboard(storage, { token: TOKEN })
    for (const wrong of ['', 'x', TOKEN.slice(1), `${TOKEN}x`, TOKEN.toUpperCase(), '\u00e9'.repeat(20)]) {
      assert.equal((await askJson(route, bearer(wrong))).status, 401, wrong)
    }
    assert.equal((await askJson(route, { authorization: `Basic ${TOKEN}` })).status, 401)
    assert.equal((await askJson(route, bearer(TOKEN))).status, 200)
    assert.equal((await ask(route, bearer(TOKEN))).status, 200)
  })

  test('never by the URL', async () => {
    const route = dashboard(storage, { token: TOKEN })
    for (const name of ['token', 'access_token']) {
      assert.equal((await ask(route, { url: `${URL_OF_PAGE}?${name}=${TOKEN}` })).status, 401)
    }
  })

  test('the form sets a cookie for this path only, which scripts cannot read and other sites cannot send', async () => {
    const route = dashboard(storage, { token: TOKEN })
    const response = await signIn(route)
    assert.equal(response.headers.get('location'), './storage')
    const [pair, ...attributes] = response.headers.get('set-cookie').split('; ')
    assert.deepEqual(attributes.sort(), ['HttpOnly', 'Max-Age=43200', 'Path=/ops/storage', 'SameSite=Strict', 'Secure'])
    assert.ok(!pair.includes(TOKEN))
    assert.equal((await ask(route, { cookie: `theme=dark; ${pair}` })).status, 200)
  })

  test('the cookie is for the path that the browser sees, and is not secure where nothing is', async () => {
    const route = dashboard(storage, { token: TOKEN })
    const proxied = await signIn(route, { referer: 'http://localhost:3000/admin/storage?x' })
    assert.match(proxied.headers.get('set-cookie'), /; Path=\/admin\/storage;/)
    assert.doesNotMatch(proxied.headers.get('set-cookie'), /Secure/)
    const strange = await signIn(route, { referer: 'http://localhost/a;Domain=example.com' })
    assert.match(strange.headers.get('set-cookie'), /; Path=\/a%3BDomain=example.com;/)
    const behindTls = await signIn(route, { referer: 'http://localhost/ops', 'x-forwarded-proto': 'https' })
    assert.match(behindTls.headers.get('set-cookie'), /; Secure$/)
  })

  test('a cookie ends with its time, with the token, and with any change to it', async (context) => {
    const route = dashboard(storage, { token: TOKEN })
    const cookie = cookieOf(await signIn(route))
    const [name, value] = cookie.split('=')
    const [ends, proof] = value.split('.')
    for (const forged of [
      `${Number(ends) + 1}.${proof}`,
      `${ends}.${proof.slice(1)}`,
      `${ends}.`,
      ends,
      '',
      'NaN.',
      `${ends}x.${proof}`,
    ]) {
      assert.equal((await ask(route, { cookie: `${name}=${forged}` })).status, 401, forged)
    }
    assert.equal((await ask(dashboard(storage, { token: `${TOKEN}2` }), { cookie })).status, 401)
    assert.equal((await ask(dashboard(storage, { token: TOKEN }), { cookie })).status, 200, 'another process')
    context.mock.timers.enable({ apis: ['Date'], now: Number(ends) * 1000 - 1 })
    assert.equal((await ask(route, { cookie })).status, 200)
    context.mock.timers.setTime(Number(ends) * 1000)
    assert.equal((await ask(route, { cookie })).status, 401)
  })

  test('signing out removes the cookie', async () => {
    const response = await post(dashboard(storage, { token: TOKEN }), { signOut: '1' })
    assert.equal(response.status, 303)
    assert.match(response.headers.get('set-cookie'), /^reliable_r2_dashboard=; Path=\/ops\/storage; Max-Age=0;/)
  })

  test("somebody else's page cannot sign out", async () => {
    const response = await post(
      dashboard(storage, { token: TOKEN }),
      { signOut: '1' },
      { 'sec-fetch-site': 'cross-site' },
    )
    assert.deepEqual([response.status, response.headers.get('set-cookie')], [401, null])
  })

  test('a wrong token, and what is no form', async () => {
    const route = dashboard(storage, { token: TOKEN })
    const wrong = await post(route, { token: 'wrong' })
    assert.deepEqual([wrong.status, wrong.headers.get('set-cookie')], [401, null])
    assert.match(await wrong.text(), /role="?alert"?>That is not the token/)
    const bodies = [
      JSON.stringify({ token: TOKEN }),
      new URLSearchParams({ token: TOKEN, more: 'x'.repeat(5000) }),
      new URLSearchParams([]),
      undefined,
    ]
    for (const body of bodies) {
      const response = await route.POST(new Request(URL_OF_PAGE, { method: 'POST', body }))
      assert.deepEqual([response.status, response.headers.get('set-cookie')], [401, null])
    }
  })

  test('a large form is not read to its end', async () => {
    let given = 0
    const endless = new ReadableStream({
      pull(controller) {
        given += 1
        controller.enqueue(new Uint8Array(1024))
      },
    })
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const request = new Request(URL_OF_PAGE, { method: 'POST', body: endless, headers, duplex: 'half' })
    assert.equal((await dashboard(storage, { token: TOKEN }).POST(request)).status, 401)
    assert.ok(given < 20, String(given))
  })

  test('authorize decides, and only true lets in', async () => {
    const asked = []
    const route = (response) => dashboard(storage, { authorize: (request) => (asked.push(request.url), response) })
    for (const yes of [true, Promise.resolve(true)]) assert.equal((await ask(route(yes))).status, 200)
    for (const no of [false, undefined, null, 1, 'true', {}, new Response(), () => true, Promise.resolve(false)]) {
      assert.equal((await ask(route(no))).status, 404)
      assert.equal((await post(route(no), { token: TOKEN })).status, 404)
    }
    assert.equal((await post(route(true), {})).status, 405)
    assert.equal(asked[0], URL_OF_PAGE)
    const redirect = Object.assign(new Error('NEXT_REDIRECT'), { digest: 'NEXT_REDIRECT' })
    await assert.rejects(ask(dashboard(storage, { authorize: () => Promise.reject(redirect) })), redirect)
  })

  test('what is not thought through is refused at once', () => {
    const refused = (args, option, says) =>
      assert.throws(
        () => dashboard(...args),
        (error) => {
          assert.deepEqual([error.name, error.option], ['InputError', option])
          assert.match(error.message, says)
          assert.ok(!error.message.includes('secret'))
          return true
        },
      )
    refused([{}, { token: TOKEN }], 'storage', /newStorage/)
    refused([undefined, { token: TOKEN }], 'storage', /newStorage/)
    refused([storage, { token: 'secret' }], 'token', /at least 16/)
    refused([storage, { token: TOKEN, authorize: () => true }], 'options', /either/)
    refused([storage, { tokn: TOKEN }], 'tokn', /did you mean 'token'/)
    refused([storage, { token: 5 }], 'token', /string/)
    refused([storage, { authorize: true }], 'authorize', /function/)
  })
})

describe('headers', () => {
  test('every response is kept by nobody, found by nobody, framed by nobody', async () => {
    const open = dashboard(storage, { token: TOKEN })
    const responses = [
      await ask(dashboard(storage, {})),
      await ask(open),
      await askJson(open),
      await ask(open, bearer(TOKEN)),
      await askJson(open, bearer(TOKEN)),
      await signIn(open),
      await post(dashboard(storage, { authorize: () => true }), {}),
    ]
    for (const { status, headers } of responses) {
      assert.equal(headers.get('cache-control'), 'no-store', String(status))
      assert.match(headers.get('x-robots-tag'), /noindex/)
      assert.equal(headers.get('x-content-type-options'), 'nosniff')
      assert.match(headers.get('content-security-policy'), /default-src 'none'.*frame-ancestors 'none'/)
    }
  })

  test('the policy names the page’s own script and style, and no other source', async () => {
    const open = dashboard(storage, { token: TOKEN })
    for (const response of [await ask(open), await ask(open, bearer(TOKEN)), await post(open, { token: 'wrong' })]) {
      const policy = response.headers.get('content-security-policy')
      assert.doesNotMatch(policy, /unsafe|https?:|\*/)
      const html = await response.text()
      for (const [, tag, text] of html.matchAll(/<(script|style)>([^]*?)<\/\1>/g)) {
        const hash = require('node:crypto').createHash('sha256').update(text).digest('base64')
        assert.match(policy, new RegExp(`${tag}-src [^;]*'sha256-${hash.replace(/[+/]/g, '\\$&')}'`))
      }
      assert.doesNotMatch(html, /<(link|script|img|iframe)[^>]+(src|href)="?(https?:|\/)/)
      assert.doesNotMatch(html, /<[^>]+ (style|on\w+)=/)
    }
  })

  test('the page itself holds nothing that comes from a call', async () => {
    const pages = []
    for (const shown of [
      storage,
      { metrics: () => assert.fail('asked'), recentFailures: () => assert.fail('asked') },
    ]) {
      pages.push(await (await ask(dashboard(shown, { token: TOKEN }), bearer(TOKEN))).text())
    }
    assert.equal(pages[0], pages[1])
    assert.ok(!pages[0].includes(TOKEN))
  })
})
