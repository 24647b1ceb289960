// docs/errors.md is made from the advice of the dashboard and of `doctor`, and has every code of the types.

const assert = require('node:assert/strict')
const { readFileSync } = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')

const root = path.join(__dirname, '..', '..')

test('the page is what its task makes: run npm run task errors', async () => {
  const { file, page } = await import('../../scripts/error-codes.mjs')
  assert.equal(readFileSync(file, 'utf8'), page())
})

test('every code that the types name is there', () => {
  const types = readFileSync(path.join(root, 'types', 'errors.d.ts'), 'utf8')
  const codes = [...types.matchAll(/^ {2}\| '([A-Z_]+)'$/gm)].map(([, code]) => code)
  assert.ok(codes.length > 20)
  const page = readFileSync(path.join(root, 'docs', 'errors.md'), 'utf8')
  assert.deepEqual(
    codes.filter((code) => !page.includes(`\`${code}\``)),
    [],
  )
})
