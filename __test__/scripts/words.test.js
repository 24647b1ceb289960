// The words that the project replaces by the field's standard terms are found wherever they hide.

const { test } = require('node:test')
const assert = require('node:assert/strict')

const found = async (text, file = 'src/lib.rs') =>
  (await import('../../scripts/words.mjs')).findingsIn(file, text).map(({ line, word }) => [line, word.toLowerCase()])

const PLAIN =
  // words-allow: the words themselves are the test
  'the answer, was told, a seam, Strangers, calledOff, is_worth_a_look, HEARD, a laboratory, goes on, no room'

test('as a word, in camel case and in snake case', async () => {
  for (const text of PLAIN.split(', ')) assert.equal((await found(`fine\n${text}`))[0]?.[0], 2, text)
  assert.deepEqual(await found('the response of a number.floor(), which continues'), [])
})

test('not on a line that gives its reason, nor on the next', async () => {
  // words-allow: an input of the test
  const text = 'x // words-allow: a quotation\nhe answered\nhe answered'
  assert.deepEqual(await found(text), [[3, 'answered']]) // words-allow: an input of the test
})

test('npm packs, and nothing else does', async () => {
  const text = 'it is packed' // words-allow: an input of the test
  assert.deepEqual(await found(text, 'scripts/release/pack.mjs'), [])
  assert.equal((await found(text)).length, 1)
})
