// A page of docs/reports is made from its numbers alone.

const assert = require('node:assert/strict')
const { readFileSync } = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')

const reports = path.join(__dirname, '..', '..', 'docs', 'reports')

test('the fault matrix shows its numbers', async () => {
  const { page } = await import('../../scripts/lib/fault-matrix-page.mjs')
  const data = JSON.parse(readFileSync(path.join(reports, 'data', 'fault-matrix.json'), 'utf8'))
  assert.equal(readFileSync(path.join(reports, 'fault-matrix.md'), 'utf8'), page(data))
})
