'use strict'

// Bodies of every make, drawn by chance: either exactly the bytes that the source gave are stored, or the call rejects and
// stores nothing; and the source holds nothing afterwards. A failure prints what draws the same again:
//
//   FC_SEED=123 FC_PATH=4:5 node --test __test__/faults/source-properties.test.js

const assert = require('node:assert/strict')
const { mkdtempSync, readdirSync, readlinkSync, rmSync } = require('node:fs')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { PassThrough } = require('node:stream')
const { after, before, describe, test } = require('node:test')
const { setImmediate: nextTurn } = require('node:timers/promises')
const fc = require('fast-check')
const { InputError, newStorage } = require('../../index.js')
const native = require('../../native.js')
const { startLocalR2 } = require('../../lib/testing/index.js')
const { fileStream, kinds, makeSource, released } = require('../support/sources.js')

const seed = Number(process.env.FC_SEED ?? Date.now() & 0x7fffffff)
const LIMIT_MS = 30_000
const MIB = 1024 * 1024
const PART_BYTES = 5 * MIB

let r2
let storage
let folder
before(async () => {
  r2 = await startLocalR2()
  const retry = { maxAttempts: 3, initialDelayMs: 0, maxDelayMs: 0, timeout: LIMIT_MS }
  storage = newStorage({
    ...r2.config,
    retry,
    multipartThresholdBytes: PART_BYTES,
    partSizeBytes: PART_BYTES,
    logger: false,
  })
  folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-sources-'))
})
after(async () => {
  storage.close()
  await r2.stop()
  rmSync(folder, { recursive: true, force: true })
})

function property(name, runs, ...arbitrariesAndCheck) {
  const times = Number(process.env.FC_TIMES ?? 1)
  test(name, { timeout: LIMIT_MS * 4 * times }, async (t) => {
    t.diagnostic(`FC_SEED=${seed}`)
    const options = {
      seed,
      path: process.env.FC_PATH,
      endOnFailure: true,
      includeErrorInReport: true,
      numRuns: runs * times,
      timeout: LIMIT_MS,
    }
    await fc.assert(fc.asyncProperty(...arbitrariesAndCheck), options)
  })
}

/** So many bytes, other ones for each seed. */
function bytesOf([size, first]) {
  // Of a length that is no power of two, so that no piece is like another.
  return Buffer.alloc(
    size,
    Uint8Array.from({ length: 1021 }, (_, at) => first + at * 31),
  )
}

/** Files of ours that are open. */
function openFiles() {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder)
    } catch {
      return false
    }
  })
}

const small = fc.tuple(fc.oneof(fc.constantFrom(0, 1, 65_536), fc.nat(20_000)), fc.nat(255))
// Around the threshold, where one request becomes parts.
const large = fc.tuple(fc.constantFrom(PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES), fc.nat(255))
const chunks = fc.oneof(
  { weight: 20, arbitrary: fc.array(small, { maxLength: 8 }) },
  { weight: 1, arbitrary: fc.tuple(small, large, small) },
)
const pace = fc.array(fc.constantFrom('sync', 'microtask', 'timer'), { minLength: 1, maxLength: 3 })
const failure = fc.option(fc.record({ at: fc.nat(9), how: fc.constantFrom('error', 'odd error', 'abort') }), {
  freq: 2,
})
const faults = fc.constantFrom(
  [],
  [],
  [{ fault: 'reset', method: 'PUT', times: 1 }],
  [{ fault: 'dropResponse', method: 'PUT', times: 1 }],
  [{ fault: 'status', status: 503, code: 'ServiceUnavailable', times: 2 }],
  [{ fault: 'status', status: 403, code: 'AccessDenied' }],
)
const plan = fc.record({
  kind: fc.constantFrom(...kinds),
  chunks,
  pace,
  failure,
  faults,
  reuse: fc.boolean(),
  queued: fc.boolean(),
})

describe('sources', () => {
  property('exactly what a source gave is stored, or nothing, and nothing is held', 150, plan, async (given) => {
    r2.reset()
    r2.faults(given.faults)
    const controller = new AbortController()
    const list = given.chunks.map(bytesOf)
    const cause = given.failure?.how === 'odd error' ? undefined : new Error('the disk is gone')
    const act = () => {
      if (given.failure.how === 'abort') controller.abort()
      else throw cause
    }
    const fail = given.failure && given.failure.at <= list.length ? { at: given.failure.at, act } : undefined
    const source = makeSource(given.kind, { chunks: list, pace: given.pace, fail, reuse: given.reuse })
    const item = { key: 'a', body: source.body, signal: controller.signal }
    const outcome = given.queued ? await lastOfBatch(item) : await outcomeOf(item)

    const stored = r2.objects().get('a')?.body
    if (outcome.error === undefined) {
      assert.ok(!fail, 'a source that failed, or an upload that was aborted, was stored')
      assert.ok(stored.equals(Buffer.concat(list)), 'other bytes')
      assert.equal(outcome.result.size, stored.length)
    } else {
      assert.equal(stored, undefined, 'stored, though the call rejected')
      const isFinal = given.faults.some(({ status }) => status === 403)
      assert.ok(fail || isFinal, outcome.error.stack)
      // Odd errors are reported as they are, but for undefined, which is no cause.
      if (outcome.error.code === 'ERR_SOURCE_FAILED' && given.failure.how === 'error')
        assert.equal(outcome.error.cause, cause)
    }
    await released(source)
    // After an abort the parts are removed in the background.
    while (r2.uploads().length > 0) await nextTurn()
  })

  async function outcomeOf(item) {
    try {
      return { result: await storage.uploadFile(item) }
    } catch (error) {
      return { error: error ?? new Error('rejected with nothing') }
    }
  }

  /** Of a body that waits until two others are stored. */
  async function lastOfBatch(item) {
    const first = async function* () {
      yield 'x'
      await nextTurn()
    }
    const outcomes = await storage.uploadFiles([{ key: 'b', body: first() }, { key: 'c', body: 'y' }, item], {
      concurrency: 1,
    })
    const { uploadError, error, ...result } = outcomes[2]
    return uploadError ? { error: error ?? new Error('rejected with nothing') } : { result }
  }

  const encodings = ['hex', 'base64', 'base64url', 'latin1', 'binary', 'ascii', 'utf8', 'utf-8', 'utf16le', 'ucs2']
  property(
    'text of a stream with an encoding is the bytes that it stands for, or refused',
    150,
    fc.constantFrom(...encodings),
    fc.array(
      fc.oneof(
        small,
        small.map(([size]) => [size % 7, 0x41]),
      ),
      { maxLength: 5 },
    ),
    fc.boolean(),
    async (encoding, chunks, objectMode) => {
      r2.reset()
      const list = chunks.map(bytesOf).filter(({ length }) => length > 0)
      const body = new PassThrough({ objectMode })
      body.setEncoding(encoding)
      for (const chunk of list) body.write(chunk)
      body.end()
      const error = await storage.uploadFile({ key: 'a', body }).then(
        () => undefined,
        (error) => error,
      )
      const stored = r2.objects().get('a')?.body
      if (error) {
        assert.ok(error instanceof InputError, error.stack)
        assert.deepEqual([error.code, error.option, stored], ['ERR_INVALID_BODY', 'body', undefined])
        assert.ok(objectMode || !['hex', 'base64', 'base64url', 'latin1', 'binary'].includes(encoding), error.message)
      } else assert.ok(stored.equals(Buffer.concat(list)))
      await released({ isReleased: () => body.destroyed })
    },
  )

  test('a piece that waits for an upload which never begins waits no longer than its source', {
    timeout: LIMIT_MS,
  }, async () => {
    const sink = native.createSource()
    while (sink.tryPush(Buffer.from('x'))) {}
    const [ready, finished] = [sink.ready(), sink.finish()]
    sink.fail()
    assert.equal(await ready, false)
    await finished
  })

  const aborted = AbortSignal.abort()
  const refusals = {
    'an unknown option': (body) => storage.uploadFile({ key: 'a', body, unknown: 1 }),
    'no key': (body) => storage.uploadFile({ body }),
    'a key that cannot be written': (body) => storage.uploadFile({ key: '/a', body }),
    'a wrong type of an option': (body) => storage.uploadFile({ body, key: 'a', metadata: 'b' }),
    'a wrong value of an option': (body) => storage.uploadFile({ body, key: 'a', cacheControl: '\n' }),
    'a signal that was aborted': (body) => storage.uploadFile({ body, key: 'a', signal: aborted }),
    'a length beyond maxBytes': (body) => storage.uploadFile({ body, key: 'a', contentLength: 10, maxBytes: 9 }),
    'a length below minBytes': (body) => storage.uploadFile({ body, key: 'a', contentLength: 10, minBytes: 11 }),
    'a length that no object has': (body) => storage.uploadFile({ body, key: 'a', contentLength: 2 ** 50 }),
    'a condition that is none': (body) => storage.uploadFile({ body, key: 'a', ifNoneMatch: 'x' }),
    'a checkpoint that is none': (body) => storage.uploadFile({ body, key: 'a', checkpoint: {} }),
    'a storage that is closed': (body) => closed.uploadFile({ body, key: 'a' }),
    'a storage that is none': (body) => storage.uploadFile.call({}, { body, key: 'a' }),
    'a getter': (body) =>
      storage.uploadFile({
        get body() {
          return body
        },
        key: 7,
      }),
    'a batch with wrong options': (body) => storage.uploadFiles([{ key: 'a', body }], { concurrency: 0 }),
    'a batch that is no array': (body) => storage.uploadFiles({ key: 'a', body }),
    'a batch that was aborted': async (body) => {
      throw (await storage.uploadFiles([{ key: 'a', body }], { signal: aborted }))[0].error
    },
    'a URL beside it': (body) => storage.downloadAndUpload({ key: 'a', url: 'https://127.0.0.1/', body }),
    'a Promise of it': (body) => storage.uploadFile({ key: 'a', body: Promise.resolve(body) }),
  }
  const closed = newStorage({
    endpoint: 'https://127.0.0.1',
    accessKey: 'a',
    secretKey: 'b',
    bucket: 'pictures',
    logger: false,
  })
  closed.close()

  for (const [reason, upload] of Object.entries(refusals)) {
    test(`a body that is refused for ${reason} holds nothing`, { timeout: LIMIT_MS }, async () => {
      r2.reset()
      const chunks = [Buffer.from('ten bytes!')]
      for (const kind of kinds) {
        const source = makeSource(kind, { chunks, pace: ['timer'] })
        await assert.rejects(upload(source.body), undefined, kind)
        await released(source)
      }
      const file = fileStream(folder, chunks[0])
      await assert.rejects(upload(file.body))
      await released(file)
      while (openFiles().length > 0) await nextTurn()
      assert.deepEqual([r2.objects().size, r2.uploads()], [0, []])
    })
  }
})
