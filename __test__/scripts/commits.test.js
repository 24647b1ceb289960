'use strict'

const assert = require('node:assert/strict')
const { test } = require('node:test')

test('a commit subject: imperative subjects pass, other forms are named', async () => {
  const { faults } = await import('../../scripts/commits.mjs')
  for (const subject of [
    'Add a limit for response heads',
    'Compress bodies once',
    'Re-read a source that changed',
    'Pass errors on',
    `Add ${'x'.repeat(68)}`,
  ]) {
    assert.deepEqual(faults(subject), [], subject)
  }
  for (const [subject, expected] of [
    ['Added a limit', /imperative/],
    ['Adding a limit', /imperative/],
    ['Adds a limit', /imperative/],
    ['add a limit', /capitalized/],
    ['ADR 0028: a limit', /capitalized/],
    ['feat: add a limit', /capitalized/],
    ['Add a limit.', /full stop/],
    [`Add ${'x'.repeat(69)}`, /73 characters/],
  ]) {
    assert.match(faults(subject).join(), expected, subject)
  }
})
