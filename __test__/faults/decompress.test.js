'use strict'

const assert = require('node:assert/strict')
const { setTimeout: sleep } = require('node:timers/promises')
const { after, before, describe, test } = require('node:test')
const { buffer, text } = require('node:stream/consumers')
const { brotliCompressSync, deflateSync, gzipSync } = require('node:zlib')
const { newStorage } = require('../../index.js')
const { startLocalR2 } = require('../../lib/testing/index.js')
const { RawS3 } = require('../support/raw-s3.js')

describe('downloads of objects that are stored compressed', () => {
  let r2
  let storage
  let raw
  const plain = JSON.stringify({ a: 'x'.repeat(300_000) })
  before(async () => {
    r2 = await startLocalR2()
    storage = newStorage({ ...r2.config, logger: false })
    raw = new RawS3(r2.config)
  })
  after(async () => {
    raw.close()
    storage.close()
    await r2.stop()
  })
  const put = (key, encoding, body) =>
    raw.request('PUT', key, { headers: { 'content-encoding': encoding, 'content-type': 'text/plain' }, body })

  test('what compress stored comes back as it was given', async () => {
    for (const compress of ['gzip', 'br']) {
      await storage.uploadFile({ key: 'data.json', body: plain, compress })
      const { body, contentEncoding } = await storage.download({ key: 'data.json' })
      assert.deepEqual([contentEncoding, await text(body)], [undefined, plain])
      const stored = await storage.download({ key: 'data.json', decompress: false })
      assert.deepEqual([stored.contentEncoding, (await buffer(stored.body)).length], [compress, stored.size])
    }
  })

  test('a coding is decompressed if it is the only one and known; all else comes as it is stored', async () => {
    const gzipped = gzipSync(plain)
    for (const [encoding, stored, given, left] of [
      ['gzip', gzipped, plain],
      ['x-gzip', gzipped, plain],
      ['GZIP', gzipped, plain],
      ['identity, gzip', gzipped, plain],
      ['br', brotliCompressSync(plain), plain],
      ['deflate', deflateSync(plain), null, 'deflate'],
      ['gzip, gzip', gzipSync(gzipped), null, 'gzip, gzip'],
      ['utf-8', Buffer.from(plain), plain, 'utf-8'],
      ['__proto__', Buffer.from(plain), plain, '__proto__'],
    ]) {
      assert.equal((await put('coded', encoding, stored)).status, 200)
      const { body, contentEncoding, size } = await storage.download({ key: 'coded' })
      assert.deepEqual([contentEncoding, size], [left, stored.length], encoding)
      assert.ok((await buffer(body)).equals(given === null ? stored : Buffer.from(given)), encoding)
    }
  })

  test('a range is of the stored bytes', async () => {
    const gzipped = gzipSync(plain)
    await put('range', 'gzip', gzipped)
    const { body, contentEncoding } = await storage.download({ key: 'range', range: { start: 2, end: 9 } })
    assert.deepEqual([contentEncoding, await buffer(body)], ['gzip', gzipped.subarray(2, 10)])
  })

  test('bytes that are not what the header says, or end early, are an error that says what to do', async () => {
    const gzipped = gzipSync(plain)
    for (const stored of [Buffer.from('not compressed at all'), gzipped.subarray(0, gzipped.length >> 1)]) {
      await put('wrong', 'gzip', stored)
      const { body } = await storage.download({ key: 'wrong' })
      await assert.rejects(text(body), {
        name: 'ServiceError',
        code: 'ERR_INTEGRITY',
        retryable: false,
        operation: 'download',
        key: 'wrong',
        message: /decompress: false/,
      })
      assert.ok((await buffer((await storage.download({ key: 'wrong', decompress: false })).body)).equals(stored))
    }
  })

  test('an error of the transfer stays that error, and an abort that reason', async () => {
    await put('broken', 'gzip', gzipSync(plain))
    r2.faults([{ fault: 'truncate', method: 'GET' }])
    const failing = await storage
      .download({ key: 'broken', retry: { maxAttempts: 1 } })
      .then(({ body }) => text(body))
      .catch((error) => error)
    assert.notEqual(failing.code, 'ERR_INTEGRITY')
    r2.faults([])
    const [controller, reason] = [new AbortController(), new Error('mine')]
    const { body } = await storage.download({ key: 'broken', signal: controller.signal })
    controller.abort(reason)
    await assert.rejects(text(body), reason)
  })

  test('a cancel ends it, before the first byte and after it', async () => {
    await put('cancelled', 'gzip', gzipSync(plain))
    for (const reads of [0, 1]) {
      const { body } = await storage.download({ key: 'cancelled' })
      const reader = body.getReader()
      for (let read = 0; read < reads; read += 1) await reader.read()
      await reader.cancel()
      await sleep(0)
      assert.deepEqual(await reader.read(), { done: true, value: undefined })
    }
  })
})
