'use strict'

const assert = require('node:assert/strict')
const { createHash } = require('node:crypto')
const { get } = require('node:http')
const { Readable } = require('node:stream')
const { buffer } = require('node:stream/consumers')
const { after, afterEach, before, describe, test } = require('node:test')
const { brotliDecompressSync, gunzipSync } = require('node:zlib')
const { AwsClient } = require('aws4fetch')
const { Lab, keys, noise } = require('../support/lab.js')

const MIB = 1024 * 1024
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

describe('what is stored, as another client reads it', { timeout: 120_000 }, () => {
  let lab
  let storage
  let other
  before(async () => {
    lab = await Lab.start()
    const retry = { maxAttempts: 4, initialDelayMs: 10, maxDelayMs: 50, timeout: 20_000 }
    storage = lab.storage({ multipartThresholdBytes: 5 * MIB, partSizeBytes: 5 * MIB, retry })
    other = new AwsClient({
      accessKeyId: keys.accessKey,
      secretAccessKey: keys.secretKey,
      service: 's3',
      region: 'auto',
      retries: 0,
    })
  })
  after(() => lab.stop())
  afterEach(() => lab.faults())

  async function read(key) {
    const url = `${lab.s3}/pictures/${key.split('/').map(encodeURIComponent).join('/')}`
    // Compressed bodies as they are stored: fetch would decompress them.
    const signed = await other.sign(url)
    const response = await new Promise((resolve, reject) => {
      const { hostname, port, pathname } = new URL(signed.url)
      const headers = Object.fromEntries(signed.headers)
      get({ hostname, port, path: pathname, headers }, resolve).on('error', reject)
    })
    const bytes = await buffer(response)
    assert.equal(response.statusCode, 200, bytes.toString())
    return { bytes, headers: response.headers }
  }

  const sizes = { empty: 0, 'one byte': 1, small: 100_000, 'one part and a byte': 5 * MIB + 1, 'four parts': 17 * MIB }
  for (const [name, size] of Object.entries(sizes)) {
    test(`${name}: the same bytes, under faults`, async () => {
      await lab.faults({ fault: 'reset', method: 'PUT', times: 1 }, { fault: 'dropResponse', method: 'PUT', times: 1 })
      const body = noise(size)
      const key = `differential/${name} é+%&.bin`
      const result = await storage.uploadFile({ key, body: Readable.from([body]), sha256: true })
      const { bytes, headers } = await read(key)
      assert.ok(bytes.equals(body))
      assert.equal(result.sha256, sha256(bytes))
      assert.equal(headers.etag, `"${result.etag}"`)
    })
  }

  test('headers arrive as they were given, of one part and of four', async () => {
    for (const body of [noise(10), noise(17 * MIB)]) {
      const expires = new Date('2030-01-02T03:04:05Z')
      await storage.uploadFile({
        key: 'headers.png',
        body,
        contentType: 'image/png',
        cacheControl: 'immutable',
        disposition: 'attachment; filename="a.png"',
        metadata: { by: 'test' },
        expires,
      })
      const { headers } = await read('headers.png')
      assert.equal(headers['content-type'], 'image/png')
      assert.equal(headers['cache-control'], 'public, max-age=31536000, immutable')
      assert.equal(headers['content-disposition'], 'attachment; filename="a.png"')
      assert.equal(headers['x-amz-meta-by'], 'test')
      assert.equal(new Date(headers.expires).getTime(), expires.getTime())
      assert.equal(new Date((await storage.head({ key: 'headers.png' })).expires).getTime(), expires.getTime())
    }
  })

  const decompress = { gzip: gunzipSync, br: brotliDecompressSync }
  const text = Buffer.from(Array.from({ length: 400_000 }, (_, n) => `${n} ${(n * 2654435761) >>> 0}\n`).join(''))
  for (const [compress, encoding] of [
    ['gzip', 'gzip'],
    ['br', 'br'],
    ['auto', 'gzip'],
  ]) {
    test(`compress: '${compress}' stores ${encoding}, whole under faults`, async () => {
      await lab.faults({ fault: 'reset', method: 'PUT', times: 1 })
      for (const body of [text, Readable.from([text]), text.subarray(0, 5000)]) {
        const result = await storage.uploadFile({ key: 'text.txt', body, compress, sha256: true })
        const { bytes, headers } = await read('text.txt')
        const plain = Buffer.isBuffer(body) ? body : text
        assert.ok(decompress[encoding](bytes).equals(plain))
        assert.deepEqual(
          [headers['content-encoding'], headers['content-type']],
          [encoding, 'text/plain; charset=utf-8'],
        )
        assert.deepEqual([result.contentEncoding, result.size, result.sha256], [encoding, bytes.length, sha256(bytes)])
        assert.ok(bytes.length < plain.length)
      }
    })
  }

  test('compress leaves pictures and short texts as they are', async () => {
    const png = Buffer.concat([Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), Buffer.alloc(5000)])
    for (const [body, key] of [
      [png, 'a.png'],
      ['short', 'a.txt'],
    ]) {
      const result = await storage.uploadFile({ key, body, compress: 'br' })
      assert.equal(result.contentEncoding, undefined)
      assert.ok((await read(key)).bytes.equals(Buffer.from(body)))
    }
    const twice = storage.uploadFile({ key: 'a', body: 'a', compress: 'gzip', headers: { 'Content-Encoding': 'br' } })
    await assert.rejects(twice, { code: 'ERR_INVALID_OPTION', option: 'compress' })
  })

  test('progress of a body of unknown length: bytes rise, percents wait', async () => {
    await lab.faults({ fault: 'slow', method: 'PUT', bytesPerSecond: 20 * MIB })
    const seen = []
    const body = noise(17 * MIB)
    await storage.uploadFile({
      key: 'p',
      body: Readable.from([body]),
      onProgress: (percent, detail) => seen.push({ percent, ...detail }),
    })
    const last = seen.pop()
    assert.deepEqual([last.percent, last.loadedBytes, last.totalBytes, last.part], [100, body.length, body.length, 4])
    assert.ok(seen.length >= 2 && seen.length <= 40, `${seen.length} events`)
    assert.ok(seen.every(({ percent, totalBytes }) => percent === 0 && totalBytes === undefined))
    assert.ok(seen.every(({ loadedBytes }, n) => n === 0 || loadedBytes > seen[n - 1].loadedBytes))
    assert.ok(seen.some(({ bytesPerSecond }) => bytesPerSecond > 0))
  })
})
