'use strict'

const assert = require('node:assert/strict')
const { readFileSync } = require('node:fs')
const { join } = require('node:path')
const test = require('node:test')

const { RetryPresets } = require('../../index.js')
const native = require('../../native.js')

/** The contract, word for word: a changed number must be changed here too, knowingly. */
const CONTRACT = {
  fast: { maxAttempts: 3, initialDelayMs: 500, maxDelayMs: 5000, timeout: 15000 },
  standard: { maxAttempts: 3, initialDelayMs: 1000, maxDelayMs: 10000, timeout: 30000 },
  fileUpload: { maxAttempts: 4, initialDelayMs: 1500, maxDelayMs: 15000, timeout: 60000 },
  aggressive: { maxAttempts: 5, initialDelayMs: 2000, maxDelayMs: 20000, timeout: 60000 },
  persistent: { maxAttempts: 50, initialDelayMs: 100, maxDelayMs: 2000, timeout: 30000, deadlineMs: 120000 },
}

test('the presets are those of the contract', () => {
  assert.deepEqual(RetryPresets, CONTRACT)
})

test('the table in the types is that of the contract', () => {
  const declarations = readFileSync(join(__dirname, '..', '..', 'types', 'retry.d.ts'), 'utf8')
  const fields = ['maxAttempts', 'initialDelayMs', 'maxDelayMs', 'timeout', 'deadlineMs']
  const rows = [...declarations.matchAll(/^ \* \| (\w+) \| ([\d |]+) \|$/gm)].map(([, name, cells]) => {
    const numbers = cells.split('|').map((cell) => cell.trim())
    return [name, Object.fromEntries(fields.flatMap((field, i) => (numbers[i] ? [[field, Number(numbers[i])]] : [])))]
  })
  assert.deepEqual(Object.fromEntries(rows), CONTRACT)
  const [, union] = declarations.match(/export type RetryPresetName = (.*)/)
  assert.deepEqual(
    [...union.matchAll(/'(\w+)'/g)].map((match) => match[1]),
    Object.keys(CONTRACT),
  )
})

test('the table in the README is that of the contract', () => {
  const readme = readFileSync(join(__dirname, '..', '..', 'README.md'), 'utf8')
  const seconds = (ms) => (ms < 1000 ? `${ms} ms` : `${ms / 1000} s`)
  const rows = [...readme.matchAll(/^\| `(\w+)`(?: \(default\))? \| (.+) \|$/gm)].map(([, name, cells]) => [
    name,
    cells.split(' | '),
  ])
  const expected = Object.entries(CONTRACT).map(
    ([name, { maxAttempts, initialDelayMs, maxDelayMs, timeout, deadlineMs }]) => {
      const attempts = deadlineMs ? `${maxAttempts}, within ${seconds(deadlineMs)}` : String(maxAttempts)
      return [name, [attempts, ...[initialDelayMs, maxDelayMs, timeout].map(seconds)]]
    },
  )
  assert.deepEqual(
    rows.filter(([, cells]) => cells.length === 4),
    expected,
  )
})

test('a preset cannot be changed', () => {
  assert.ok(Object.isFrozen(RetryPresets) && Object.values(RetryPresets).every(Object.isFrozen))
})

test('the native schedule has the numbers of its preset', () => {
  for (const [preset, { maxAttempts, timeout }] of Object.entries(CONTRACT)) {
    const schedule = native.createRetrySchedule({ preset })
    assert.equal(schedule.maxAttempts, maxAttempts)
    assert.equal(schedule.attemptTimeoutMs(0), timeout)
  }
})
