import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { chromium } from 'playwright-core'
import { APP_URL, CHROMIUM, faults, here, isPng, sample } from './support.mjs'

const SCREENSHOTS = path.join(here, 'screenshots')
const LAUNCH = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
]
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
const RESULT_WITHIN_MS = 90_000

describe('the page', { timeout: 600_000 }, () => {
  let browser
  let page
  const complaints = []

  before(async () => {
    mkdirSync(SCREENSHOTS, { recursive: true })
    browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: LAUNCH })
  })
  after(() => browser?.close())
  afterEach(() => faults())

  async function open(options = {}) {
    await page?.context().close()
    const context = await browser.newContext({ viewport: { width: 1180, height: 900 }, ...options })
    page = await context.newPage()
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
    await page.goto(APP_URL, { waitUntil: 'networkidle' })
  }

  async function draw(fault, samples = ['cat']) {
    await open()
    for (const name of samples) await page.getByTitle(`Sample: ${name}`).click()
    await page.getByLabel(fault, { exact: true }).check()
    await page.getByRole('button', { name: /^Draw/ }).click()
    await page.locator('.stage[data-state=running]').waitFor()
  }

  const finish = async (name) => {
    await page.locator('.stage[data-state=done]').waitFor({ timeout: RESULT_WITHIN_MS })
    // The last look at the proxy, and the picture from the link.
    await page.waitForLoadState('networkidle')
    await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`), fullPage: true })
  }

  const attempts = () => page.locator('.lane .attempt').allInnerTexts()
  const log = () => page.locator('.log li').allInnerTexts()

  /** The faults of the test stay: the page does not arm the scenario that is chosen in it. */
  async function drawUnder(given, samples) {
    await open()
    await page.route('**/api/lab', (route) => route.fulfill({ json: { events: [] } }))
    await faults(...given)
    for (const name of samples) await page.getByTitle(`Sample: ${name}`).click()
    await page.getByRole('button', { name: /^Draw/ }).click()
    await page.locator('.stage[data-state=running]').waitFor()
  }

  async function accessible() {
    await page.addScriptTag({ path: axe })
    const { violations } = await page.evaluate(() =>
      window.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice'] }),
    )
    const found = violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ html, any }) => `${html} ${any[0]?.message ?? ''}`).join('\n  ')}`,
    )
    assert.deepEqual(found, [])
  }

  test('shows a drawing and its link', async () => {
    await draw('No fault', ['cat', 'coffee'])
    await finish('success')
    assert.deepEqual(await attempts(), ['1 stored', '1 stored', '1 stored', '1 stored'])
    const link = await page.getByRole('link', { name: 'Open on R2' }).first().getAttribute('href')
    const bytes = Buffer.from(await (await fetch(link)).arrayBuffer())
    assert.ok(isPng(bytes))
    const shown = page.getByAltText('Drawing of cat.jpg')
    assert.ok(await shown.evaluate((image) => image.complete && image.naturalWidth > 0))
  })

  test('takes the user\u2019s own picture, drawn behind a temporary link', async () => {
    await open()
    await page.setInputFiles('input[type=file]', { name: 'mine.jpg', mimeType: 'image/jpeg', buffer: sample('rocket') })
    await page.getByLabel('The provider responds with').selectOption('temporaryUrl')
    await page.getByRole('button', { name: /^Draw/ }).click()
    await finish('temporary-link')
    await page.getByText('Everything is on R2.').waitFor()
    await page.getByAltText('Drawing of mine.jpg').waitFor()
  })

  const survived = {
    resets: [
      'Connection resets',
      ['1 ECONNRESET', '2 ECONNRESET', '3 stored', '1 ECONNRESET', '2 ECONNRESET', '3 stored'],
      /connection reset in the middle/,
    ],
    429: [
      '429 Too Many Requests',
      ['1 TooManyRequests', '2 stored', '1 TooManyRequests', '2 stored'],
      /turned away · 429/,
    ],
    503: [
      '503 Slow Down',
      ['1 SlowDown', '2 SlowDown', '3 stored', '1 SlowDown', '2 SlowDown', '3 stored'],
      /turned away · 503/,
    ],
    slow: ['Slow line', ['1 stored', '1 stored'], /slowly/],
  }
  for (const [name, [label, expected, seen]] of Object.entries(survived)) {
    test(`survives: ${label}`, async () => {
      await draw(label)
      if (name === 'resets') {
        await page.locator('.attempt.failed').first().waitFor()
        await page.screenshot({ path: path.join(SCREENSHOTS, 'resets-under-way.png') })
      }
      await finish(name)
      assert.deepEqual(await attempts(), expected)
      assert.match((await log()).join('\n'), seen)
      await page.getByText('Everything is on R2.').waitFor()
    })
  }

  test('survives: TLS failures', async () => {
    await draw('TLS failures')
    await finish('tls')
    // Two handshakes fail; whether of one upload or of both depends on which is sent first.
    assert.deepEqual((await attempts()).map((text) => text.slice(2)).sort(), [
      'ECONNRESET',
      'ECONNRESET',
      'stored',
      'stored',
    ])
    assert.match((await log()).join('\n'), /TLS handshake cut off/)
  })

  test('a drawing that cannot be stored can be downloaded', async () => {
    await draw('Drawings cannot be stored', ['cat', 'rocket'])
    await finish('partial')
    await page.getByText('Image generated but storage failed. Please download and save manually.').waitFor()
    const download = page.waitForEvent('download')
    await page.getByRole('link', { name: 'Download' }).click()
    const chunks = []
    for await (const chunk of await (await download).createReadStream()) chunks.push(chunk)
    assert.ok(isPng(Buffer.concat(chunks)))
    assert.equal(await page.getByRole('link', { name: 'Open on R2' }).count(), 1)
  })

  test('loses no drawing while the storage is down', async () => {
    await draw('Storage down')
    await finish('down')
    await page.getByRole('link', { name: 'Download' }).waitFor()
    await page.getByText('The input was not stored').waitFor()
  })

  test('Stop ends every card, and keeps the focus', async () => {
    await draw('Storage down')
    const stop = page.getByRole('button', { name: 'Stop' })
    await page.locator('.attempt').first().waitFor()
    await stop.focus()
    await page.keyboard.press('Enter')
    await page.getByText('Stopped.').waitFor()
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Draw it')
    assert.equal(await page.locator('.attempt.sending, .attempt.waiting, .lane[data-state=running]').count(), 0)
    assert.equal(await page.locator('.placeholder').innerText(), 'stopped')
    await page.screenshot({ path: path.join(SCREENSHOTS, 'stopped.png'), fullPage: true })
    await faults()
    await page.getByRole('button', { name: 'Try again' }).click()
    await page.getByText('Everything is on R2.').waitFor({ timeout: RESULT_WITHIN_MS })
  })

  test('a drawing appears as soon as it is stored, whatever the others do', async () => {
    await drawUnder([{ fault: 'hang', keyContains: '/1.png' }], ['cat', 'coffee'])
    const first = page.getByAltText('Drawing of cat.jpg')
    await first.waitFor()
    await page.getByRole('link', { name: 'Open on R2' }).waitFor()
    assert.equal(await page.locator('.stage').getAttribute('data-state'), 'running')
    await page.getByRole('button', { name: 'Stop' }).click()
    await page.getByText('Stopped.').waitFor()
    assert.ok(await first.isVisible(), 'what is stored stays')
  })

  test('a drawing that could not be stored is stored by another try, and is the same', async () => {
    await drawUnder([{ fault: 'status', status: 403, code: 'AccessDenied' }], ['cat'])
    await finish('failed')
    const drawn = await page.getByAltText('Drawing of cat.jpg').getAttribute('src')
    const again = page.getByRole('button', { name: 'Try again' })
    await again.click()
    await page.locator('.stage[data-state=done]').waitFor()
    assert.ok(await again.isVisible(), 'it failed again')
    assert.equal((await page.getByText('The storage refused access').count()) > 0, true)
    await accessible()
    await faults()
    await again.focus()
    await page.keyboard.press('Enter')
    await page.getByText('Everything is on R2.').waitFor({ timeout: RESULT_WITHIN_MS })
    assert.equal(
      await page.evaluate(() => document.activeElement?.textContent),
      'cat.jpg',
      'the focus stays at the card',
    )
    const link = await page.getByRole('link', { name: 'Open on R2' }).getAttribute('href')
    const stored = Buffer.from(await (await fetch(link)).arrayBuffer())
    assert.ok(stored.equals(Buffer.from(drawn.split(',')[1], 'base64')))
  })

  test('a card ends when the connection does', async () => {
    await open()
    await page.route('**/api/gen-drawing', (route) =>
      route.fulfill({
        contentType: 'application/x-ndjson',
        body: '{"type":"drawing","picture":0,"state":"started"}\n',
      }),
    )
    await page.getByTitle('Sample: cat').click()
    await page.getByRole('button', { name: /^Draw/ }).click()
    await page.getByText('The connection ended early.').waitFor()
    await page.locator('.placeholder', { hasText: 'stopped' }).waitFor()
    await page.getByRole('button', { name: 'Try again' }).waitFor()
  })

  for (const colorScheme of ['light', 'dark']) {
    test(`has enough contrast and is accessible, ${colorScheme}`, async () => {
      await open({ colorScheme })
      await accessible()
      await page.getByTitle('Sample: cat').click()
      await page.getByLabel('Connection resets').check()
      await page.getByRole('button', { name: /^Draw/ }).click()
      await finish(`accessible-${colorScheme}`)
      await accessible()
    })
  }

  test('in the dark, on a phone', async () => {
    await open({ colorScheme: 'dark', viewport: { width: 390, height: 844 } })
    await page.getByTitle('Sample: rocket').click()
    await page.getByLabel('503 Slow Down').check()
    await page.getByRole('button', { name: /^Draw/ }).click()
    await finish('dark-phone')
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), true)
  })

  // Refused retries are reported by the browser itself.
  test('nothing complained in the console', () =>
    assert.deepEqual(
      complaints.filter((text) => !text.includes('status of 500')),
      [],
    ))
})
