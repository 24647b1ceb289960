'use strict'

const assert = require('node:assert/strict')
const { createHash } = require('node:crypto')
const { buffer } = require('node:stream/consumers')
const { setTimeout: sleep } = require('node:timers/promises')
const { gunzipSync } = require('node:zlib')
const { after, afterEach, before, describe, test } = require('node:test')
const { bodyOf } = require('../../lib/download-stream.js')
const { Lab, noise } = require('../support/lab.js')

const MIB = 1024 * 1024

describe('download', { timeout: 120_000 }, () => {
  let lab
  let storage
  const body = noise(3 * MIB + 7)
  before(async () => {
    lab = await Lab.start()
    storage = lab.storage({ stallTimeoutMs: 300 })
    await storage.uploadFile({ key: 'a.bin', body, metadata: { by: 'test' } })
  })
  after(() => lab.stop())
  afterEach(() => lab.faults())

  test('gives the bytes and what is known of them', async () => {
    const { body: stream, ...info } = await storage.download({ key: 'a.bin' })
    assert.ok((await buffer(stream)).equals(body))
    assert.equal(info.size, body.length)
    assert.equal(info.etag, createHash('md5').update(body).digest('hex'))
    assert.deepEqual([info.metadata, info.attempts], [{ by: 'test' }, 1])
  })

  test('a body that breaks off continues where it broke, twice', async () => {
    await lab.faults({ fault: 'truncate', method: 'GET', times: 2 })
    const retries = []
    const object = await storage.download({ key: 'a.bin', onRetry: ({ code }) => retries.push(code) })
    assert.ok((await buffer(object.body)).equals(body))
    assert.deepEqual(retries, ['ECONNRESET', 'ECONNRESET'])
    assert.deepEqual(await lab.actions(), ['truncate', 'truncate', 'forward'])
  })

  test('one that stalls continues, too', async () => {
    await lab.faults({ fault: 'stallResponse', method: 'GET', times: 1 })
    const object = await storage.download({ key: 'a.bin' })
    assert.ok((await buffer(object.body)).equals(body))
  })

  test('opening is retried', async () => {
    await lab.faults({ fault: 'status', status: 503, code: 'SlowDown', method: 'GET', times: 2 })
    const object = await storage.download({ key: 'a.bin' })
    assert.equal(object.attempts, 3)
    assert.ok((await buffer(object.body)).equals(body))
  })

  test('a range, also when it breaks', async () => {
    await lab.faults({ fault: 'truncate', method: 'GET', times: 1 })
    const read = async (range) => buffer((await storage.download({ key: 'a.bin', range })).body)
    assert.ok((await read({ start: 100, end: 2_000_000 })).equals(body.subarray(100, 2_000_001)))
    assert.ok((await read({ start: body.length - 5 })).equals(body.subarray(-5)))
    assert.ok((await read({ end: 0 })).equals(body.subarray(0, 1)))
    await assert.rejects(read({ start: 5, end: 4 }), { code: 'ERR_INVALID_OPTION', option: 'range.end' })
    await assert.rejects(read({ start: -1 }), { option: 'range.start' })
    await assert.rejects(read({ from: 1 }), { message: /range\.from is not an option/ })
  })

  test('an object that is replaced on the way is not mixed', async () => {
    await storage.uploadFile({ key: 'b.bin', body })
    await lab.faults({ fault: 'truncate', method: 'GET', times: 1 }, { fault: 'delay', method: 'GET', ms: 300 })
    const object = await storage.download({
      key: 'b.bin',
      retry: { initialDelayMs: 300, maxDelayMs: 300, jitter: 'none' },
    })
    const reading = buffer(object.body)
    await storage.uploadFile({ key: 'b.bin', body: noise(body.length + 1) })
    await assert.rejects(reading, { code: 'ERR_SOURCE_CHANGED' })
  })

  test('what is not there is NotFound', async () => {
    await assert.rejects(storage.download({ key: 'nothing' }), { code: 'NotFound', operation: 'download', attempts: 1 })
  })

  test('an abort ends the body, a cancel its connection', async () => {
    const reason = new Error('enough')
    const controller = new AbortController()
    const object = await storage.download({ key: 'a.bin', signal: controller.signal })
    const reader = object.body.getReader()
    await reader.read()
    controller.abort(reason)
    await assert.rejects(reader.read(), reason)

    const other = await storage.download({ key: 'a.bin' })
    await other.body.cancel()
  })

  test('a cancel ends the transfer, also while a piece is waited for', async () => {
    await lab.faults({ fault: 'stallResponse', method: 'GET', times: 1 })
    const { body } = await storage.download({ key: 'a.bin' })
    const reader = body.getReader()
    const { value } = await reader.read()
    const rest = reader.read()
    for (let given = value.length; given < body.length; ) given += (await rest).value.length
    await sleep(100)
    await reader.cancel()
    await rest.catch(() => {})
    // Three times as long as a stall may take.
    await sleep(1000)
    assert.deepEqual(await lab.actions(), ['stallResponse'], 'nobody asks for the rest')
  })

  test('what is stored compressed and comes decompressed is asked for as it is stored', async () => {
    const text = 'as it was\n'.repeat(500)
    const { etag, size } = await storage.uploadFile({ key: 'compressed.txt', body: text, compress: 'gzip' })
    const decompressed = 'HTTP/1.1 200 OK\r\netag: W/"' + etag + '"\r\ncontent-type: text/plain\r\n'
    for (const times of [1, 2]) {
      await lab.faults(
        {
          fault: 'raw',
          method: 'GET',
          times,
          response: [{ text: `${decompressed}transfer-encoding: chunked\r\n\r\n5\r\nas it\r\n0\r\n\r\n` }],
        },
        { fault: 'raw', method: 'HEAD', times: 1, response: [{ text: `${decompressed}\r\n` }] },
      )
      const { body, ...info } = await storage.download({ key: 'compressed.txt', decompress: false })
      const bytes = await buffer(body)
      if (times === 1)
        assert.deepEqual(
          [info.size, info.contentEncoding, info.etag, gunzipSync(bytes).toString()],
          [size, 'gzip', etag, text],
        )
      else
        assert.deepEqual(
          [info.contentEncoding, info.etag, bytes.toString()],
          [undefined, undefined, 'as it'],
          'whoever decompresses it all the same',
        )
      assert.deepEqual((await storage.head({ key: 'compressed.txt' })).size, size)
    }
  })

  test('a signal that fired while the response was on its way ends the body', async () => {
    const [reason, ended] = [new Error('mine'), []]
    const endless = { next: async () => Buffer.from('x'), cancel() {} }
    const onEnd = { succeeded: () => ended.push('succeeded'), failed: (error) => ended.push(error) }
    const body = bodyOf(endless, { abort() {} }, AbortSignal.abort(reason), onEnd)
    await assert.rejects(body.getReader().read(), reason)
    assert.deepEqual(ended, [reason])
  })

  test('closing the storage ends it', async () => {
    const closing = lab.storage()
    const object = await closing.download({ key: 'a.bin' })
    closing.close()
    await assert.rejects(buffer(object.body), { code: 'ERR_CLOSED' })
  })

  test('bytes of another ETag are found out at the end', async () => {
    await lab.faults({ fault: 'badEtag', method: 'GET' })
    const object = await storage.download({ key: 'a.bin' })
    await assert.rejects(buffer(object.body), { code: 'ERR_INTEGRITY' })
    const unchecked = await storage.download({ key: 'a.bin', verifyIntegrity: false })
    assert.ok((await buffer(unchecked.body)).equals(body))
  })
})
