'use strict'

const assert = require('node:assert/strict')
const { createHash } = require('node:crypto')
const { after, afterEach, before, describe, test } = require('node:test')
const { Lab, noise } = require('../support/lab.js')

describe('stored objects', () => {
  let lab
  let storage
  before(async () => {
    lab = await Lab.start()
    storage = lab.storage()
  })
  after(() => lab.stop())
  afterEach(() => lab.faults())

  const body = noise(12_345)
  const put = (key, options) => storage.uploadFile({ body, key, ...options })

  test('head shows what was stored', async () => {
    const before = Date.now()
    await put('head/a.png', { contentType: 'image/png', cacheControl: 'no-store', metadata: { author: 'me' } })
    const { lastModified, elapsedMs, ...info } = await storage.head({ key: 'head/a.png' })
    assert.deepEqual(info, {
      endpoint: lab.proxy,
      failedOver: false,
      bucket: 'pictures',
      key: 'head/a.png',
      size: body.length,
      etag: createHash('md5').update(body).digest('hex'),
      contentType: 'image/png',
      contentDisposition: 'inline',
      disposition: 'inline',
      cacheControl: 'no-store',
      metadata: { author: 'me' },
      attempts: 1,
    })
    assert.ok(Math.abs(lastModified - before) < 60_000)
    assert.ok(elapsedMs >= 0)
  })

  test('metadata in any language, and of any name, reads back as it was given', async () => {
    const metadata = { prompt: 'Überraschung 😀 '.repeat(20).trim(), ['__proto__']: 'x' }
    await put('words.png', { metadata })
    for (const { metadata: found } of [
      await storage.head({ key: 'words.png' }),
      await storage.download({ key: 'words.png' }),
    ]) {
      assert.deepEqual(Object.entries(found).sort(), Object.entries(metadata).sort())
    }
  })

  test('head of nothing is an error, exists says no', async () => {
    await assert.rejects(storage.head({ key: 'no/such' }), {
      code: 'NotFound',
      status: 404,
      attempts: 1,
      retryable: false,
      operation: 'head',
    })
    assert.equal(await storage.exists({ key: 'no/such' }), false)
    await put('there')
    assert.equal(await storage.exists({ key: 'there' }), true)
  })

  test('exists does not take a refusal for absence', async () => {
    await lab.faults({ fault: 'status', status: 403, code: 'AccessDenied', times: 1 })
    await assert.rejects(storage.exists({ key: 'there' }), { status: 403 })
  })

  test('delete removes, and again is no error', async () => {
    await put('gone')
    assert.deepEqual(await storage.delete({ key: 'gone' }).then(({ bucket, key }) => ({ bucket, key })), {
      bucket: 'pictures',
      key: 'gone',
    })
    assert.equal(lab.stored('gone'), undefined)
    await storage.delete({ key: 'gone' })
  })

  test('each is retried like an upload, and nothing critical is logged', async () => {
    const lines = []
    const logged = lab.storage({
      logger: { warn: (line) => lines.push(line), error: (line) => lines.push(`error ${line}`) },
    })
    await put('retried')
    for (const act of [
      () => logged.head({ key: 'retried' }),
      () => logged.list({ prefix: 'retried' }).next(),
      () => logged.delete({ key: 'retried' }),
    ]) {
      await lab.faults({ fault: 'reset', times: 2 })
      await act()
      assert.deepEqual(await lab.actions(), ['reset', 'reset', 'forward'])
    }
    await lab.faults({ fault: 'status', status: 403, code: 'AccessDenied' })
    await assert.rejects(logged.head({ key: 'x' }))
    assert.equal(lines.length, 6)
    assert.match(lines[0], /^\[Storage\] head retry 1\/4 in \d+ ms: ECONNRESET/)
    assert.ok(lines.every((line) => !line.startsWith('error')))
  })

  test('list gives all, page by page, in order', async () => {
    const keys = Array.from({ length: 7 }, (_, n) => `list/${n}.bin`)
    await storage.uploadFiles(keys.map((key) => ({ body, key })))
    await lab.faults()
    const found = []
    for await (const object of storage.list({ prefix: 'list/', pageSize: 3 })) found.push(object)
    assert.deepEqual(
      found.map(({ key }) => key),
      keys,
    )
    assert.ok(found.every(({ size, lastModified }) => size === body.length && lastModified instanceof Date))
    assert.equal((await lab.actions()).length, 3)
    const behind = []
    for await (const { key } of storage.list({ prefix: 'list/', startAfter: 'list/4.bin' })) behind.push(key)
    assert.deepEqual(behind, keys.slice(5))
  })

  test('list asks for no page that nobody wants', async () => {
    await lab.faults()
    for await (const _ of storage.list({ prefix: 'list/', pageSize: 2 })) break
    assert.equal((await lab.actions()).length, 1)
  })

  test('a presigned URL reads, with the headers asked for', async () => {
    await put('shared.bin')
    const { url, method, expiresAt } = await storage.presign({
      key: 'shared.bin',
      disposition: 'attachment',
      contentType: 'text/plain',
      expiresInSeconds: 60,
    })
    assert.equal(method, 'GET')
    // A signature's time is in whole seconds: what is said of it is what the server goes by.
    const signed = new URL(url).searchParams.get('X-Amz-Date').replace(/(....)(..)(..T..)(..)/, '$1-$2-$3:$4:')
    assert.equal(expiresAt.getTime(), Date.parse(signed) + 60_000)
    const response = await fetch(url)
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('content-disposition'), 'attachment')
    assert.equal(response.headers.get('content-type'), 'text/plain')
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), body)
  })

  test('a listing that breaks off is asked for again, as often as anything', async () => {
    await put('broken/a')
    await lab.faults({ fault: 'truncate', method: 'GET', times: 2 })
    const [keys, retries] = [[], []]
    for await (const { key } of storage.list({ prefix: 'broken/', onRetry: ({ code }) => retries.push(code) }))
      keys.push(key)
    assert.deepEqual([keys, retries], [['broken/a'], ['ECONNRESET', 'ECONNRESET']])
  })

  test('an address without asking, as an upload has it in its result', async () => {
    const { url } = await storage.uploadFile({ key: 'an address/1 €.bin', body: 'x' })
    assert.equal(storage.publicUrl({ key: 'an address/1 €.bin' }), url)
    const shown = lab.storage({ domain: 'images.example.com' })
    assert.equal(shown.publicUrl({ key: 'a b.png' }), 'https://images.example.com/a%20b.png')
    for (const [options, option] of [
      [{}, 'key'],
      [{ key: '..' }, 'key'],
      [{ key: 'a', bucket: 'X' }, 'bucket'],
      [{ key: 'a', buckt: 'abc' }, 'buckt'],
    ]) {
      assert.throws(() => storage.publicUrl(options), {
        name: 'InputError',
        option,
        message: /^publicUrl failed: ERR_/,
      })
    }
    shown.close()
  })

  test('what a dashboard calls a folder can be asked for and deleted, and not written', async () => {
    assert.equal(await storage.exists({ key: 'dashboard/' }), false)
    assert.equal((await storage.delete({ key: 'dashboard/' })).key, 'dashboard/')
    assert.deepEqual(
      (await lab.events()).map(({ method, path }) => `${method} ${path}`),
      ['HEAD /pictures/dashboard/', 'DELETE /pictures/dashboard/'],
    )
    await assert.rejects(storage.uploadFile({ key: 'dashboard/', body: 'x' }), { code: 'ERR_INVALID_KEY' })
  })

  test('a presigned URL writes what a browser sends, without a checksum', async () => {
    const { url, method, headers } = await storage.presign({ key: 'sent.bin', method: 'PUT', contentType: 'image/png' })
    assert.doesNotMatch(url, /checksum|crc/i)
    assert.equal((await fetch(url, { method, headers, body })).status, 200)
    assert.deepEqual(lab.stored('sent.bin'), body)
    assert.equal((await storage.head({ key: 'sent.bin' })).contentType, 'image/png')
    const tampered = url.replace('sent.bin', 'other.bin')
    assert.equal((await fetch(tampered, { method, headers, body })).status, 403)
  })

  test('bad input is refused before anything is sent', async () => {
    await lab.faults()
    const bad = [
      [() => storage.head({}), 'key'],
      [() => storage.delete({ key: 'a'.repeat(1025) }), 'key'],
      [() => storage.presign({ key: '/a', method: 'PUT' }), 'key'],
      [() => storage.presign({ key: 'a', method: 'POST' }), 'method'],
      [() => storage.presign({ key: 'a', expiresInSeconds: 604_801 }), 'expiresInSeconds'],
      [() => storage.presign({ key: 'a', expiresInSeconds: 0.5 }), 'expiresInSeconds'],
      [() => storage.presign({ key: 'a', contentType: 'a\nb' }), 'contentType'],
      [() => storage.presign({ key: 'a', method: 'PUT', contentDisposition: 'inline' }), 'contentDisposition'],
      [async () => storage.list({ pageSise: 1 }), 'pageSise'],
      [() => storage.list({ pageSize: 1001 }).next(), 'pageSize'],
      [() => storage.list({ prefix: 'a'.repeat(1025) }).next(), 'prefix'],
    ]
    for (const [act, option] of bad) await assert.rejects(act, { name: 'InputError', option }, option)
    assert.deepEqual(await lab.actions(), [])
  })

  test('an abort ends a list', async () => {
    await lab.faults({ fault: 'hang' })
    const reason = new Error('enough')
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 50)
    await assert.rejects(storage.list({ signal: controller.signal }).next(), reason)
  })

  test('after close', async () => {
    const closed = lab.storage()
    closed.close()
    await assert.rejects(closed.head({ key: 'a' }), { code: 'ERR_CLOSED' })
    await assert.rejects(closed.presign({ key: 'a' }), { code: 'ERR_CLOSED' })
  })
})
