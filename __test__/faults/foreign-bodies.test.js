'use strict'

// Bodies, signals and headers that are not of Node's own classes: of another realm, as in Jest, of polyfills, of test
// environments, of form parsers. What is clear is stored as it is; all else is a typed error before anything is sent. A
// failure of the property prints what draws the same again:
//
//   FC_SEED=123 FC_PATH=4:5 node --test __test__/faults/foreign-bodies.test.js

const assert = require('node:assert/strict')
const { after, before, beforeEach, describe, test } = require('node:test')
const vm = require('node:vm')
const fc = require('fast-check')
const { InputError, newStorage, retryWithBackoff } = require('../../index.js')
const { isError } = require('../../lib/is-error.js')
const { startLocalR2 } = require('../../lib/testing/index.js')
const { realms } = require('../support/foreign-bodies.js')

const seed = Number(process.env.FC_SEED ?? Date.now() & 0x7fffffff)
const times = Number(process.env.FC_TIMES ?? 1)
const LIMIT_MS = 30_000

let r2
let storage
before(async () => {
  r2 = await startLocalR2()
  storage = newStorage({
    ...r2.config,
    retry: { maxAttempts: 2, initialDelayMs: 0, maxDelayMs: 0, timeout: LIMIT_MS },
    logger: false,
  })
})
after(async () => {
  storage.close()
  await r2.stop()
})
beforeEach(() => r2.reset())

async function refusal(options) {
  const error = await storage.uploadFile({ key: 'a', ...options }).then(
    () => assert.fail('it was stored'),
    (error) => error,
  )
  assert.ok(error instanceof InputError, error.stack)
  assert.deepEqual(r2.events(), [], 'something was sent')
  return error
}

for (const [realm, { bodies, refused, signals, noSignals, noRecords }] of Object.entries(realms)) {
  describe(`of ${realm}`, { timeout: LIMIT_MS }, () => {
    for (const [name, [make, says]] of Object.entries(refused)) {
      test(`a body that is refused: ${name}`, async () => {
        // Not awaited anywhere: a proxy would be asked for its then.
        const error = await refusal({ body: make() })
        assert.deepEqual([error.code, error.option], ['ERR_INVALID_BODY', 'body'])
        assert.match(error.message, says)
      })
    }

    for (const [name, make] of Object.entries(signals)) {
      test(`a signal ${name}`, async () => {
        const during = make()
        const body = async function* () {
          yield 'a'
          during.abort()
          await new Promise(() => {})
        }
        await assert.rejects(storage.uploadFile({ key: 'a', body: body(), signal: during }), { name: 'AbortError' })
        await assert.rejects(
          storage.uploadFile({ key: 'a', body: 'x', signal: during }),
          { name: 'AbortError' },
          'that was aborted before',
        )
        assert.equal((await storage.uploadFile({ key: 'a', body: 'x', signal: make() })).size, 1)
        const loop = make()
        await assert.rejects(
          retryWithBackoff(() => loop.abort() ?? new Promise(() => {}), { signal: loop }),
          { name: 'AbortError' },
        )
      })
    }

    for (const [name, make] of Object.entries(noSignals)) {
      test(`no signal: ${name}`, async () => {
        assert.equal((await refusal({ body: 'x', signal: make() })).option, 'signal')
        await assert.rejects(storage.head({ key: 'a', signal: make() }), { option: 'signal' })
      })
    }

    for (const [name, make] of Object.entries(noRecords)) {
      test(`no record of strings: ${name}`, async () => {
        for (const option of ['metadata', 'headers'])
          assert.match((await refusal({ body: 'x', [option]: make() })).option, new RegExp(`^${option}`))
      })
    }
  })

  const drawn = fc.tuple(
    fc.constantFrom(...Object.keys(bodies)),
    fc.string({ unit: 'grapheme', minLength: 0, maxLength: 40 }),
    fc.boolean(),
  )
  test(`a body of ${realm} whose meaning is clear is stored as it is`, { timeout: LIMIT_MS * times }, async (t) => {
    t.diagnostic(`FC_SEED=${seed}`)
    const stored = async ([name, text, inBatch]) => {
      r2.reset()
      const item = { key: 'a', body: bodies[name](text) }
      if (inBatch) assert.equal((await storage.uploadFiles([item]))[0].uploadError, false)
      else await storage.uploadFile(item)
      const { body } = r2.objects().get('a')
      assert.equal(body.toString('utf8', 0, Buffer.byteLength(text)), text)
      assert.ok(body.length === Buffer.byteLength(text) || name.includes('large'), `${body.length} bytes`)
    }
    await fc.assert(fc.asyncProperty(drawn, stored), {
      seed,
      path: process.env.FC_PATH,
      numRuns: 120 * times,
      includeErrorInReport: true,
    })
    for (const name of Object.keys(bodies)) await stored([name, 'hello', false])
  })
}

describe('in a test environment', () => {
  test('a Blob without arrayBuffer() is read by the FileReader that comes with it, as in jest-environment-jsdom', async (t) => {
    class FileReader {
      readAsArrayBuffer({ bytes, error }) {
        setImmediate(() => {
          Object.assign(this, error ? { error } : { result: bytes })
          if (error) this.onerror()
          else this.onload()
        })
      }
    }
    globalThis.FileReader = FileReader
    t.after(() => delete globalThis.FileReader)
    const { buffer } = new TextEncoder().encode('abc')
    const blob = (more) => ({ size: 3, type: 'text/plain', [Symbol.toStringTag]: 'Blob', ...more })
    assert.equal((await storage.uploadFile({ key: 'a', body: blob({ bytes: buffer }) })).size, 3)
    assert.equal(r2.objects().get('a').body.toString(), 'abc')
    r2.reset()
    const error = await refusal({ body: blob({ error: new Error('gone') }) })
    assert.deepEqual([error.code, error.cause.message], ['ERR_INVALID_BODY', 'gone'])
  })

  test('an error of another realm is one', () => {
    for (const name of ['Error', 'TypeError', 'AggregateError'])
      assert.ok(isError(vm.runInNewContext(`new ${name}([])`)), name)
    for (const value of [undefined, null, 'Error', {}, { message: 'x' }, Object.create(null)])
      assert.ok(!isError(value))
  })
})
