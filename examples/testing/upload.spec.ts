import { spawn } from 'node:child_process'
import { test as base, expect } from '@playwright/test'
import { startLocalR2, type LocalR2 } from 'reliable-r2/testing'

/** A store and an app that uploads to it, for each worker. */
const test = base.extend<{}, { r2: LocalR2; app: string }>({
  r2: [
    async ({}, use) => {
      const r2 = await startLocalR2()
      await use(r2)
      await r2.stop()
    },
    { scope: 'worker' },
  ],
  app: [
    async ({ r2 }, use, { workerIndex }) => {
      const port = 4100 + workerIndex
      const next = spawn('npx', ['next', 'start', '--port', String(port)], { env: { ...process.env, ...r2.env } })
      await new Promise((resolve) => next.stdout.on('data', (text) => String(text).includes('Ready') && resolve(text)))
      await use(`http://localhost:${port}`)
      next.kill()
    },
    { scope: 'worker' },
  ],
})

test('the page shows the picture though the storage was down for two requests', async ({ page, app, r2 }) => {
  r2.reset()
  r2.faults([{ fault: 'status', status: 503, code: 'ServiceUnavailable', method: 'PUT', times: 2 }])
  await page.goto(app)
  await page
    .getByLabel('Picture')
    .setInputFiles({ name: 'cat.png', mimeType: 'image/png', buffer: Buffer.from('a cat') })
  await page.getByRole('button', { name: 'Upload' }).click()
  await expect(page.getByText('Stored')).toBeVisible({ timeout: 20_000 })
  expect(r2.events().map(({ status }) => status)).toEqual([503, 503, 200])
})
