import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { chromium } from 'playwright-core'
import { APP_URL, CHROMIUM, faults, here, isPng, sample } from './support.mjs'

const SCREENSHOTS = path.join(here, 'screenshots')
const LAUNCH = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
]
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
    await page.getByLabel('The provider answers with').selectOption('temporaryUrl')
    await page.getByRole('button', { name: /^Draw/ }).click()
    await finish('temporary-link')
    await page.getByText('Everything is on R2.').waitFor()
    await page.getByAltText('Drawing of mine.jpg').waitFor()
  })

  const survived = {
    resets: ['Connection resets', ['1 ECONNRESET', '2 ECONNRESET', '3 stored', '1 ECONNRESET', '2 ECONNRESET', '3 stored'], /connection reset in the middle/],
    tls: ['TLS failures', ['1 ECONNRESET', '2 ECONNRESET', '3 stored', '1 stored'], /TLS handshake cut off/],
    429: ['429 Too Many Requests', ['1 TooManyRequests', '2 stored', '1 TooManyRequests', '2 stored'], /turned away · 429/],
    503: ['503 Slow Down', ['1 SlowDown', '2 SlowDown', '3 stored', '1 SlowDown', '2 SlowDown', '3 stored'], /turned away · 503/],
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

  test('Stop stops', async () => {
    await draw('Storage down')
    await page.getByRole('button', { name: 'Stop' }).click()
    await page.getByText('Stopped.').waitFor()
  })

  test('in the dark, on a phone', async () => {
    await open({ colorScheme: 'dark', viewport: { width: 390, height: 844 } })
    await page.getByTitle('Sample: rocket').click()
    await page.getByLabel('503 Slow Down').check()
    await page.getByRole('button', { name: /^Draw/ }).click()
    await finish('dark-phone')
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), true)
  })

  test('nothing complained in the console', () => assert.deepEqual(complaints, []))
})
