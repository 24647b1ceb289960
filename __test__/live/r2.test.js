'use strict'

// Against a real R2 bucket, where one is named. Its objects are under `reliable-r2-test/`, always the same ones.

const assert = require('node:assert/strict')
const { createHash } = require('node:crypto')
const { buffer } = require('node:stream/consumers')
const { after, describe, test } = require('node:test')
const { newStorage } = require('../../index.js')
const { noise } = require('../support/lab.js')

const VARIABLES = ['R2_TEST_ENDPOINT', 'R2_TEST_ACCESS_KEY', 'R2_TEST_SECRET_KEY', 'R2_TEST_BUCKET']
const missing = VARIABLES.filter((name) => !process.env[name])
const skip = missing.length > 0 && `no real R2: ${missing.join(', ')} not set`

describe('a real R2', { skip, timeout: 300_000 }, () => {
  const [endpoint, accessKey, secretKey, bucket] = VARIABLES.map((name) => process.env[name])
  const made = []
  const storage = (options) => {
    const storage = newStorage({ endpoint, accessKey, secretKey, bucket, domain: '', logger: false, ...options })
    made.push(storage)
    return storage
  }
  after(() => made.forEach((each) => each.close()))

  for (const size of [0, 1, 1024, 2 * 1024 * 1024, 20 * 1024 * 1024]) {
    test(`stores ${size} bytes`, async () => {
      const body = noise(size)
      const each = storage()
      const result = await each.uploadFile({ body, key: `reliable-r2-test/${size}.bin`, metadata: { test: 'yes' } })
      const [{ verifiedBy }] = each.metrics().endpoints
      assert.deepEqual(
        verifiedBy,
        result.parts === 1 ? { objects: 'checksum', parts: null } : { objects: null, parts: 'checksum' },
      )
      assert.equal(result.size, size)
      if (result.parts === 1) assert.equal(result.etag, createHash('md5').update(body).digest('hex'))
      else assert.match(result.etag, new RegExp(`-${result.parts}$`))
      const read = await storage().download({ key: `reliable-r2-test/${size}.bin` })
      assert.ok((await buffer(read.body)).equals(body))
      assert.deepEqual(read.metadata, { test: 'yes' })
    })
  }

  test('stores ten objects at once', async () => {
    const items = Array.from({ length: 10 }, (_, n) => ({
      body: noise(50_000 + n),
      key: `reliable-r2-test/many/${n}.bin`,
    }))
    const outcomes = await storage().uploadFiles(items, { concurrency: 10 })
    assert.deepEqual(
      outcomes.map(({ uploadError }) => uploadError),
      Array(10).fill(false),
    )
  })

  test('writes one key five times in a row: one a second is what R2 allows', async () => {
    const each = storage()
    for (let n = 0; n < 5; n += 1)
      await each.uploadFile({ body: noise(n + 1), key: 'reliable-r2-test/same.bin', retry: 'persistent' })
  })

  test('a part of an object', async () => {
    const body = noise(100_000)
    await storage().uploadFile({ body, key: 'reliable-r2-test/range.bin' })
    const read = await storage().download({ key: 'reliable-r2-test/range.bin', range: { start: 1000, end: 1999 } })
    assert.ok((await buffer(read.body)).equals(body.subarray(1000, 2000)))
  })

  test('conditional writes', async () => {
    const each = storage()
    const object = { key: 'reliable-r2-test/conditional.bin', body: 'x', retry: 'persistent' }
    await each.delete({ key: object.key })
    const { etag } = await each.uploadFile({ ...object, ifNoneMatch: '*' })
    await assert.rejects(each.uploadFile({ ...object, ifNoneMatch: '*' }), { code: 'PreconditionFailed' })
    await each.uploadFile({ ...object, body: 'y', ifMatch: etag })
    await assert.rejects(each.uploadFile({ ...object, ifMatch: etag }), { code: 'PreconditionFailed' })
  })

  test('what an upload in parts left behind is resumed, and cleaned up', async () => {
    const body = noise(20 * 1024 * 1024)
    const key = 'reliable-r2-test/resumed.bin'
    const checkpoint = new Map()
    const each = storage({ partConcurrency: 1 })
    async function* failing() {
      yield body.subarray(0, 17 * 1024 * 1024)
      throw new Error('cut')
    }
    const cut = each.uploadFile({ body: failing(), contentLength: body.length, key, checkpoint })
    await assert.rejects(cut, { code: 'ERR_SOURCE_FAILED' })
    const result = await each.uploadFile({ body, key, checkpoint })
    assert.ok(result.resumedParts >= 1)
    const { removed } = await each.abortIncompleteUploads({
      prefix: 'reliable-r2-test/',
      olderThan: new Date(Date.now() + 60_000),
    })
    assert.ok(removed.every((upload) => upload.key.startsWith('reliable-r2-test/')))
  })

  test('a wrong secret is not tried again', async () => {
    const upload = storage({ secretKey: 'f'.repeat(64) }).uploadFile({ body: 'x', key: 'reliable-r2-test/x' })
    await assert.rejects(upload, { category: 'auth', attempts: 1, retryable: false })
  })

  test('a bucket that is not there is not tried again', async () => {
    const upload = storage({ bucket: 'reliable-r2-no-such-bucket' }).uploadFile({ body: 'x', key: 'x' })
    await assert.rejects(upload, { attempts: 1, retryable: false })
  })
})
