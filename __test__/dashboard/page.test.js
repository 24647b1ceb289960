'use strict'

const assert = require('node:assert/strict')
const { readFileSync } = require('node:fs')
const { test } = require('node:test')

test('the page in the repository is what its sources make: else run `npm run task dashboard`', async () => {
  const { generated, makePage } = await import('../../scripts/dashboard-page.mjs')
  assert.ok(readFileSync(generated, 'utf8') === (await makePage()), 'page.generated.js is out of date')
})

test('uPlot’s licence goes with it', () => {
  const { PAGE } = require('../../lib/dashboard/page.generated.js')
  assert.match(PAGE.html, /Permission is hereby granted, free of charge/)
  assert.match(PAGE.html, /Copyright \(c\) \d+ Leon Sorokin/)
})

test('a line breaks where nothing was counted', async () => {
  const { gapped } = await import('../../lib/dashboard/page/steps.mjs')
  const step = 15_000
  const counted = [3, 4, 7].map((index) => ({ at: index * step + 400, retries: index }))
  const points = gapped(counted, step, 0, 10 * step)
  assert.deepEqual(
    points.map(({ counted, retries }) => (counted ? retries : null)),
    [null, null, null, 3, 4, null, null, 7, null, null],
  )
  assert.deepEqual(
    points.map(({ at }) => Math.floor(at / step)),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  )
  assert.deepEqual(gapped([], step, 0, 10 * step), [])
  assert.deepEqual(gapped(counted, step, 20 * step, 40 * step), [], 'long ago')
})

test('a share is never rounded to what it is not', async () => {
  const { percent } = await import('../../lib/dashboard/page/format.mjs')
  const shown = [0, 1, 0.99999, 0.5, 0.00001, 0.995, 0.9773, 1.9166, 8 / 24]
  assert.deepEqual(shown.map(percent), ['0', '100', '99.99', '50', '0.01', '99.5', '97.7', '192', '33.3'])
})
