// The dashboard in a browser, of an app of its own: its storage is fresh, and it can be stopped.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { chromium } from 'playwright-core'
import { dashboard } from 'reliable-r2/dashboard'
import { freePort, startNextApp } from '../../../scripts/lib/next-app.mjs'
import { APP_URL, CHROMIUM, faults, formWith, here, post } from './support.mjs'

const SCREENSHOTS = path.join(here, 'screenshots')
const LAUNCH = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-dev-shm-usage',
]
const TOKEN = randomBytes(16).toString('hex')
const SEEN_WITHIN_MS = 60_000

let browser
before(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true })
  browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: LAUNCH })
})
after(() => browser?.close())

/** A page that writes down what it should not do: complain, or ask another host. */
async function newPage(url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options })
  const page = await context.newPage()
  const complaints = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('dialog', (dialog) => {
    complaints.push(`dialog ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on(
    'console',
    (message) =>
      message.type() === 'error' && !/401|ERR_CONNECTION/.test(message.text()) && complaints.push(message.text()),
  )
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url())
    if (protocol !== 'data:' && origin !== new URL(url).origin) complaints.push(request.url())
  })
  await page.goto(url)
  return { page, complaints }
}

async function signIn(page) {
  await page.getByLabel('Token').fill(TOKEN)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.locator('body:not([data-state=loading])').waitFor()
}

const shot = (page, name) => page.screenshot({ path: path.join(SCREENSHOTS, `dashboard-${name}.png`), fullPage: true })
const state = (page, name) => page.locator(`body[data-state=${name}]`).waitFor({ timeout: SEEN_WITHIN_MS })
const number = (page, name) => page.locator('.number', { hasText: name }).locator('.value').innerText()
const picture = (page, title) =>
  page
    .locator('.chart', { hasText: title })
    .locator('canvas')
    .evaluate((canvas) => canvas.toDataURL())

describe('the dashboard', { timeout: 600_000 }, () => {
  let app
  let url
  let page
  let complaints
  before(async () => {
    app = await startNextApp(await freePort(), { DASHBOARD_TOKEN: TOKEN })
    url = `${app.url}/ops/storage`
  })
  after(async () => {
    await page?.context().close()
    await app?.stop()
  })
  afterEach(() => faults())

  const draw = (names = ['cat']) => post(formWith(names), { url: app.url })

  test('is not there in an app without a token', async () => {
    assert.equal((await fetch(`${APP_URL}/ops/storage`)).status, 404)
    assert.equal(
      (await fetch(`${APP_URL}/ops/storage?format=json`, { headers: { authorization: 'Bearer ' } })).status,
      404,
    )
    assert.doesNotMatch(await (await fetch(APP_URL)).text(), /href="\/ops\/storage"/)
  })

  test('asks for the token, and remembers that it was given', async () => {
    const json = await fetch(`${url}?format=json`)
    assert.deepEqual([json.status, Object.keys(await json.json())], [401, ['error']])
    ;({ page, complaints } = await newPage(app.url))
    await page.getByRole('link', { name: 'How the storage is doing' }).click()
    await page.getByLabel('Token').fill('wrong')
    await page.keyboard.press('Enter')
    await page.getByText('That is not the token.').waitFor()
    await signIn(page)
    assert.equal(page.url(), url)
    const cookies = await page.context().cookies()
    assert.deepEqual(
      cookies.map(({ httpOnly, sameSite, path: of }) => [httpOnly, sameSite, of]),
      [[true, 'Strict', '/ops/storage']],
    )
  })

  test('says what to do before anything was called', async () => {
    await state(page, 'unused')
    await page.getByText('Nothing has been called yet').waitFor()
    await shot(page, 'empty')
  })

  test('follows the calls of other routes, without a reload', async () => {
    await draw(['cat', 'coffee'])
    await state(page, 'well')
    assert.match(await number(page, 'Success rate'), /^100 %$/)
    assert.match(await number(page, 'Retry rate'), /^0 %$/)
    assert.match(await page.title(), /All well/)
    await page.getByText('● Closed').waitFor()
  })

  test('shows retries, their causes, and charts that move', async () => {
    const before = await picture(page, 'Retries')
    await faults(
      { fault: 'reset', method: 'PUT', times: 2 },
      { fault: 'status', status: 503, code: 'SlowDown', method: 'PUT', times: 1 },
    )
    await draw()
    await page.locator('.cause', { hasText: 'SlowDown' }).waitFor({ timeout: SEEN_WITHIN_MS })
    assert.match(await page.locator('.cause', { hasText: 'ECONNRESET' }).innerText(), /ECONNRESET\s*2 ·/)
    assert.notEqual(await number(page, 'Retry rate'), '0 %')
    assert.match(await number(page, 'Success rate'), /^100 %$/)
    assert.notEqual(await picture(page, 'Retries'), before)
    await state(page, 'degraded')
  })

  test('shows what failed, and what to do about it', async () => {
    await faults({ fault: 'status', status: 403, code: 'AccessDenied', method: 'PUT', keyContains: 'inputs/' })
    await draw()
    const failure = page.locator('.failure', { hasText: 'AccessDenied' }).first()
    await failure.waitFor({ timeout: SEEN_WITHIN_MS })
    await failure.locator('summary').focus()
    await page.keyboard.press('Enter')
    await failure.getByText('Object Read & Write').waitFor()
    assert.match(await failure.innerText(), /inputs\/.*cat\.jpg/)
    // New failures come in above it, and it stays open.
    await draw()
    await page.locator('.failure').nth(1).waitFor({ timeout: SEEN_WITHIN_MS })
    assert.equal(await page.locator('.failure[open]').count(), 1)
    await shot(page, 'failures')
  })

  test('shows an outage: the breaker opens, and closes again', async () => {
    await faults({ fault: 'down' })
    const drawings = Promise.all(Array.from({ length: 4 }, () => draw(['cat', 'coffee', 'rocket'])))
    await page.locator('.endpoint', { hasText: '✕ Open' }).waitFor({ timeout: SEEN_WITHIN_MS })
    await state(page, 'outage')
    await page.emulateMedia({ colorScheme: 'dark' })
    await shot(page, 'outage-dark')
    await page.emulateMedia({ colorScheme: 'light' })
    await drawings
    await faults()
    // A probe must be sent by somebody.
    const until = Date.now() + SEEN_WITHIN_MS
    while ((await page.locator('.endpoint', { hasText: '● Closed' }).count()) === 0) {
      assert.ok(Date.now() < until, 'the breaker stays open')
      await draw()
    }
    assert.match(await page.locator('.endpoint').innerText(), /opened [1-9]/)
  })

  test('a reload loses nothing, and an hour shows as well', async () => {
    const causes = await page.locator('#causes').innerText()
    await page.reload()
    await page.locator('body:not([data-state=loading])').waitFor()
    assert.equal((await page.locator('#causes').innerText()).split('\n')[0], causes.split('\n')[0])
    await page.getByText('1 h', { exact: true }).click()
    assert.match(await page.locator('.number').first().innerText(), /in 1 h/)
    await page.getByText('5 min', { exact: true }).click()
  })

  test('the keyboard moves through time', async () => {
    const plot = page.locator('.plot').last()
    await plot.focus()
    await page.keyboard.press('ArrowLeft')
    assert.match(await plot.getAttribute('aria-label'), /^Latency.*p50 .*p95 .*p99 /)
    await page.keyboard.press('Tab')
  })

  test('fits a phone, in the dark', async () => {
    await page.setViewportSize({ width: 390, height: 844 })
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.locator('.plot').first().scrollIntoViewIfNeeded()
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), true)
    await shot(page, 'phone-dark')
    await page.setViewportSize({ width: 1440, height: 900 })
    await page.emulateMedia({ colorScheme: 'light' })
  })

  test('says that the server cannot be reached', async () => {
    const port = Number(new URL(app.url).port)
    await app.stop()
    await page.getByText('The server cannot be reached').waitFor({ timeout: SEEN_WITHIN_MS })
    await shot(page, 'unreachable')
    // The cookie is good for the next process, too, whose numbers begin anew.
    app = await startNextApp(port, { DASHBOARD_TOKEN: TOKEN })
    await state(page, 'unused')
    assert.equal(await page.getByRole('alert').isVisible(), false)
  })

  test('signing out ends it', async () => {
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Token').waitFor()
    assert.deepEqual(await page.context().cookies(), [])
  })

  test('nothing complained, and no other host was asked', () => assert.deepEqual(complaints, []))
})

describe('hostile names', { timeout: 60_000 }, () => {
  const HOSTILE = [
    '<img src=x onerror=alert(1)>',
    '</script><script>alert(2)</script>',
    '"><svg onload=alert(3)>',
    "javascript:alert('4')",
    '{{constructor.constructor("alert(5)")()}}',
    '\u202egnp.exe',
    '<style>*{display:none}</style>',
    '__proto__',
  ]
  let server
  let url
  before(async () => {
    const { GET, POST } = dashboard(hostileStorage(), { token: TOKEN })
    server = createServer(async (incoming, outgoing) => {
      const { method, headers } = incoming
      const body = method === 'POST' ? { body: incoming, duplex: 'half' } : {}
      const response = await (method === 'POST' ? POST : GET)(
        new Request(`http://localhost${incoming.url}`, { method, headers, ...body }),
      )
      outgoing
        .writeHead(response.status, Object.fromEntries(response.headers))
        .end(Buffer.from(await response.arrayBuffer()))
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    url = `http://localhost:${server.address().port}/`
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })

  /** Whatever may hold a text that a user or a server chose. */
  function hostileStorage() {
    const none = {
      calls: 8,
      succeeded: 4,
      failed: 4,
      aborted: 0,
      attempts: 16,
      retries: 8,
      storedBytes: 0,
      successRate: 0.5,
      latencyMs: null,
    }
    const codes = () => Object.fromEntries(HOSTILE.map((text) => [text, 1]))
    const stats = {
      ...none,
      retriesByCode: codes(),
      failuresByCode: codes(),
      phasesMs: { attempt: null, wait: null, queue: null },
    }
    const uploadFile = {
      total: stats,
      lastMinute: stats,
      lastFiveMinutes: stats,
      lastHour: stats,
      history: { lastFiveMinutes: [], lastHour: [] },
    }
    const endpoint = {
      role: 'primary',
      bucket: HOSTILE[1],
      endpoint: HOSTILE[0],
      inFlight: 0,
      queued: 0,
      breaker: { state: 'open', retryAfterMs: 100, opened: 1 },
      pacing: { limiting: true, requestsPerSecond: 1, concurrency: 1 },
    }
    const failures = HOSTILE.map((text, index) => ({
      at: Date.now() - index,
      operation: text,
      key: text,
      code: text,
      category: text,
      host: text,
      requestId: text,
      attempts: 1,
      elapsedMs: 1,
      message: text,
      userMessage: text,
      advice: { means: text, steps: [text] },
    }))
    return {
      metrics: () => ({ ageMs: 1000, operations: { uploadFile }, endpoints: [endpoint] }),
      recentFailures: () => failures,
    }
  }

  test('are shown as they are, and nothing of them runs', async () => {
    const { page, complaints } = await newPage(url)
    await signIn(page)
    await state(page, 'outage')
    for (const summary of await page.locator('summary').all()) await summary.click()
    const text = await page.locator('#failures-list').innerText()
    for (const name of HOSTILE) assert.ok(text.includes(name), name)
    for (const selector of ['img', 'svg', 'main script', 'main style'])
      assert.equal(await page.locator(selector).count(), 0, selector)
    assert.deepEqual(complaints, [])
    await page.context().close()
  })
})
