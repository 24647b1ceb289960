'use strict'

// What people pass as a body: requests, responses, forms, files of other libraries. What is not the object is refused with
// the line that gives it; what is coded keeps its coding.

const assert = require('node:assert/strict')
const { once } = require('node:events')
const { createReadStream, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } = require('node:fs')
const { open } = require('node:fs/promises')
const http = require('node:http')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { Readable, Stream } = require('node:stream')
const { text } = require('node:stream/consumers')
const { after, before, beforeEach, describe, test } = require('node:test')
const { gzipSync } = require('node:zlib')
const { InputError, SourceError, fromFile, newStorage } = require('../../index.js')
const { startLocalR2 } = require('../../lib/testing/index.js')

const MIB = 1024 * 1024
const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')
const JSON_TEXT = '{"a":1}'

describe('bodies of requests', { timeout: 60_000 }, () => {
  let r2
  let storage
  let folder
  before(async () => {
    r2 = await startLocalR2()
    const retry = { maxAttempts: 3, initialDelayMs: 0, maxDelayMs: 0 }
    storage = newStorage({
      ...r2.config,
      retry,
      multipartThresholdBytes: 5 * MIB,
      partSizeBytes: 5 * MIB,
      logger: false,
    })
    folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-bodies-'))
  })
  after(async () => {
    storage.close()
    await r2.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  beforeEach(() => r2.reset())

  const post = (body, headers) => new Request('http://127.0.0.1/', { method: 'POST', body, headers })
  const stored = (key = 'a') => r2.objects().get(key)
  /** Refused before anything was sent, with a message that matches. */
  async function refused(body, message, options) {
    const error = await storage.uploadFile({ key: 'a', body, ...options }).then(assert.fail, (error) => error)
    assert.ok(error instanceof InputError, error.stack)
    assert.deepEqual([error.code, error.option], ['ERR_INVALID_BODY', 'body'])
    assert.match(error.message, message)
    assert.equal(r2.events().length, 0)
  }

  /** What `reply` makes of a request that `send` sends to a server of Node's. */
  async function served(reply, send) {
    const server = http.createServer(reply)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      return await send(`http://127.0.0.1:${server.address().port}/`)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  }

  test('a stream that fails while it waits for its turn is an outcome with its cause', async () => {
    const slow = async function* () {
      yield 'a'
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const waiting = [createReadStream(path.join(folder, 'none')), Readable.from(['x']).destroy(new Error('early'))]
    const outcomes = await storage.uploadFiles(
      [{ key: 'a', body: slow() }, ...waiting.map((body) => ({ key: 'b', body })), { key: 'c', body: 'c' }],
      { concurrency: 1 },
    )
    assert.deepEqual(
      outcomes.map(({ uploadError }) => uploadError),
      [false, true, true, false],
    )
    for (const { error } of outcomes.slice(1, 3)) assert.ok(error instanceof SourceError, error.stack)
    assert.deepEqual([outcomes[1].error.cause.code, outcomes[2].error.cause.message], ['ENOENT', 'early'])
  })

  test('a stream that fails after it was stored harms nobody', async () => {
    const body = Readable.from(['x'])
    await storage.uploadFile({ key: 'a', body })
    body.emit('error', new Error('late'))
    assert.equal(stored().body.toString(), 'x')
  })

  test('a stream that somebody has read from is refused, and what is left can be asked for', async () => {
    const body = Readable.from([Buffer.from('ab'), Buffer.from('cd')], { objectMode: false })
    await once(body, 'readable')
    body.read(1)
    await refused(body, /read from already/)
    const other = Readable.from([Buffer.from('ab')], { objectMode: false })
    await once(other, 'readable')
    other.read(1)
    await storage.uploadFile({ key: 'a', body: other[Symbol.asyncIterator]() })
    assert.equal(stored().body.toString(), 'b')
  })

  test('a form is refused with the line that takes the file out, and is cancelled', async () => {
    const form = new FormData()
    form.append('file', new File([PNG], 'cat.png', { type: 'image/png' }))
    for (const type of [
      undefined,
      'Multipart/Form-Data; boundary=x',
      'application/x-www-form-urlencoded;charset=UTF-8',
    ]) {
      const body = type ? post('a=b', { 'content-type': type }) : post(form)
      await refused(body, /formData\(\)\)\.get\('/, { contentType: 'image/png' })
      assert.ok(body.bodyUsed || body.body.locked === false)
    }
    await refused(new Response(form), /const file = \(await request\.formData\(\)\)\.get\('file'\)/)
    await refused(form, /formData\.get\('file'\)/)
    await refused(new URLSearchParams('a=b'), /String\(\)/)
    await refused(Object.assign(new Stream(), { getBoundary() {}, getHeaders() {} }), /FormData/)
    const file = (await post(form).formData()).get('file')
    const { contentType, size } = await storage.uploadFile({ key: 'cat.png', body: file })
    assert.deepEqual([contentType, size], ['image/png', PNG.length])
  })

  test('a Request keeps the coding that its bytes have', async () => {
    const coded = gzipSync(JSON_TEXT)
    const headers = { 'content-type': 'application/json', 'content-encoding': 'GZIP' }
    for (const body of [post(coded, headers), new Response(coded, { headers })]) {
      const result = await storage.uploadFile({ key: 'a.json', body, compress: 'auto' })
      assert.deepEqual(
        [result.contentEncoding, result.contentType, result.size],
        ['gzip', 'application/json', coded.length],
      )
      assert.equal(stored('a.json').headers['content-encoding'], 'gzip')
    }
    await storage.uploadFile({ key: 'b.json', body: post(coded, { 'content-encoding': 'gzip' }) })
    assert.match(stored('b.json').contentType, /^application\/json/, 'the first bytes are those of the coding')
    await storage.uploadFile({ key: 'c.json', body: post(coded, headers), headers: { 'Content-Encoding': 'br' } })
    assert.equal(stored('c.json').headers['content-encoding'], 'br', 'the caller knows better')
    for (const nothing of ['identity', 'utf-8', 'aws-chunked', 'none']) {
      const { contentEncoding } = await storage.uploadFile({
        key: 'd.json',
        body: post(JSON_TEXT, { 'content-encoding': nothing }),
      })
      assert.equal(contentEncoding, undefined, nothing)
    }
    r2.reset()
    await refused(post(coded, { 'content-encoding': 'rot13' }), /Content-Encoding/)
  })

  test('a Response that fetch has decoded is stored as it was decoded', async () => {
    const reply = (request, response) => {
      const coding = request.url.slice(1)
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': coding })
      response.end(coding === 'gzip' ? gzipSync(JSON_TEXT) : JSON_TEXT)
    }
    await served(reply, async (url) => {
      const { contentEncoding, size } = await storage.uploadFile({ key: 'a.json', body: await fetch(`${url}gzip`) })
      assert.deepEqual(
        [contentEncoding, size, stored('a.json').body.toString()],
        [undefined, JSON_TEXT.length, JSON_TEXT],
      )
      await storage.uploadFile({ key: 'b.json', body: await fetch(`${url}identity`) })
      r2.reset()
      await refused(await fetch(`${url}x-own`), /fetch may have decoded/)
    })
  })

  test('responses that are not the whole object are refused', async () => {
    await refused(new Response('not found', { status: 404 }), /status 404/)
    await refused(new Response('part', { status: 206, headers: { 'content-range': 'bytes 0-3/9' } }), /206/)
    const used = new Response('x')
    await used.text()
    await refused(used, /read already/)
    const odd = new Response('abc', { headers: { 'content-length': 'three' } })
    assert.equal((await storage.uploadFile({ key: 'a', body: odd })).size, 3)
  })

  test("a request of Node's server is stored by its head, and can be given a response when it is refused", async () => {
    const seen = []
    const reply = async (request, response) => {
      const { code } = await storage.uploadFile({ key: 'a', body: request, maxBytes: 100_000 }).then(
        () => ({}),
        (error) => error,
      )
      seen.push(code)
      response.writeHead(code ? 413 : 200).end()
    }
    await served(reply, async (url) => {
      const send = async (body, headers) => (await fetch(url, { method: 'POST', body, headers })).status
      assert.equal(await send(PNG, { 'content-type': 'image/png' }), 200)
      assert.deepEqual([stored().body.length, stored().contentType], [PNG.length, 'image/png'])
      assert.equal(await send(new Uint8Array(3 * MIB)), 413)
      assert.equal(await send(new FormData()), 413)
      assert.equal(await send(gzipSync(JSON_TEXT), { 'content-encoding': 'gzip' }), 200)
      assert.equal(stored().headers['content-encoding'], 'gzip')
    })
    assert.deepEqual(seen, [undefined, 'ERR_TOO_LARGE', 'ERR_INVALID_BODY', undefined])
  })

  test("a response of Node's client is judged by its status", async () => {
    const reply = (request, response) => response.writeHead(Number(request.url.slice(1))).end('body')
    await served(reply, async (url) => {
      const get = (status) => new Promise((resolve, reject) => http.get(`${url}${status}`, resolve).on('error', reject))
      await refused(await get(404), /status 404/)
      const { size } = await storage.uploadFile({ key: 'a', body: await get(200) })
      assert.equal(size, 4)
    })
  })

  test('Blobs are known by their shape', async () => {
    const bytes = new TextEncoder().encode('abc')
    const large = new Uint8Array(9_000_000)
    const shapes = {
      'of happy-dom': {
        name: 'a.txt',
        type: 'text/plain',
        size: 3,
        arrayBuffer: async () => bytes.buffer,
        stream: () => new Blob([bytes]).stream(),
        slice() {},
      },
      'of jsdom, which has no stream': {
        type: '',
        size: large.length,
        arrayBuffer: async () => large.buffer,
        [Symbol.toStringTag]: 'Blob',
      },
      "of formdata-polyfill, with a stream of Node's": {
        type: '',
        size: large.length,
        arrayBuffer: async () => large.buffer,
        stream: () => Readable.from([Buffer.from(large)]),
        [Symbol.toStringTag]: 'File',
      },
    }
    for (const [name, body] of Object.entries(shapes)) {
      const { size } = await storage.uploadFile({ key: 'a.txt', body })
      assert.equal(size, body.size, name)
    }
    r2.reset()
    await refused({ type: '', size: 3, [Symbol.toStringTag]: 'Blob' }, /node:buffer/)
    await refused({ type: '', size: 4, arrayBuffer: async () => bytes.buffer }, /4 bytes of which 3/)
  })

  test('a type that a body came with and that is none costs nothing', async () => {
    const odd = [
      ['image', undefined],
      ['video/webm;codecs=vp9,opus', 'video/webm;codecs=vp9,opus'],
      ['text/plain ; charset=utf-8', 'text/plain ; charset=utf-8'],
      ['/', undefined],
      ['a/b;c="', undefined],
    ]
    const webm = Buffer.from('1A45DFA39F4286810142F7810142F2810442F381084282847765626D', 'hex')
    for (const [type] of odd) {
      for (const body of [new Blob([webm], { type }), post(webm, { 'content-type': type })]) {
        const { contentType } = await storage.uploadFile({ key: 'a.webm', body })
        assert.match(contentType, /^[a-z]+\/[^/]+$/, type)
      }
    }
    for (const [contentType, expected] of odd) {
      const outcome = await storage.uploadFile({ key: 'a.webm', body: webm, contentType }).catch((error) => error)
      assert.equal(expected ? outcome.contentType : outcome.option, expected ?? 'contentType')
    }
  })

  test('minBytes refuses what is empty or too small, however it comes', async () => {
    writeFileSync(path.join(folder, 'empty'), '')
    const chunks = async function* () {
      yield 'a'
      yield 'b'
    }
    const tooSmall = {
      name: 'InputError',
      code: 'ERR_TOO_SMALL',
      option: 'minBytes',
      userMessage: /empty, or too small/,
    }
    const empty = [
      Buffer.alloc(0),
      '',
      new Blob([]),
      new Response(),
      Readable.from([]),
      post(''),
      fromFile(path.join(folder, 'empty')),
    ]
    for (const body of empty) await assert.rejects(storage.uploadFile({ key: 'a', body, minBytes: 1 }), tooSmall)
    for (const body of ['ab', new Blob(['ab']), chunks()])
      await assert.rejects(storage.uploadFile({ key: 'a', body, minBytes: 3 }), tooSmall)
    const large = async function* () {
      for (let n = 0; n < 6; n += 1) yield Buffer.alloc(MIB)
    }
    await assert.rejects(storage.uploadFile({ key: 'a', body: large(), minBytes: 6 * MIB + 1 }), tooSmall)
    assert.deepEqual([r2.objects().size, r2.uploads()], [0, []])
    for (const body of ['ab', chunks()])
      assert.equal((await storage.uploadFile({ key: 'a', body, minBytes: 2 })).size, 2)
    assert.equal((await storage.uploadFile({ key: 'a', body: large(), minBytes: 6 * MIB })).size, 6 * MIB)
    for (const minBytes of [-1, 1.5, NaN, '1'])
      await assert.rejects(storage.uploadFile({ key: 'a', body: 'ab', minBytes }), { option: 'minBytes' })
    const reply = (request, response) => response.end('ab')
    await served(reply, async (url) => {
      const call = { key: 'a', url, allowPrivateNetworks: true }
      await assert.rejects(storage.downloadAndUpload({ ...call, minBytes: 3 }), tooSmall)
      assert.equal((await storage.downloadAndUpload({ ...call, minBytes: 2 })).size, 2)
    })
  })

  test('a file that changes while it is sent, also of the same size, is not stored', async () => {
    const file = path.join(folder, 'changing')
    for (const size of [6 * MIB, 10 * MIB]) {
      writeFileSync(file, Buffer.alloc(size))
      const { mtime } = statSync(file)
      let changed = false
      const change = () => {
        if (changed) return
        changed = true
        writeFileSync(file, Buffer.alloc(size, 1))
        utimesSync(file, mtime, mtime)
      }
      r2.reset()
      // The first part's first attempt fails once it was read, and the file is not read to its end yet.
      r2.faults([{ fault: 'status', status: 503, code: 'ServiceUnavailable', method: 'PUT', times: 1 }])
      const own = newStorage({
        ...r2.config,
        partConcurrency: 1,
        multipartThresholdBytes: 5 * MIB,
        partSizeBytes: 5 * MIB,
        logger: false,
        retry: { initialDelayMs: 0, maxDelayMs: 0 },
      })
      await assert.rejects(own.uploadFile({ key: 'a', body: fromFile(file), onRetry: change }), {
        name: 'SourceError',
        code: 'ERR_SOURCE_CHANGED',
      })
      own.close()
      assert.deepEqual([changed, r2.objects().size, r2.uploads()], [true, 0, []])
    }
  })

  test('what is passed by mistake is refused with what to pass instead', async () => {
    const handle = await open(__filename)
    const bodies = [
      [{ fieldname: 'file', originalname: 'a.png', buffer: Buffer.from('x'), size: 1 }, /file\.buffer/],
      [{ filepath: '/tmp/x', originalFilename: 'a.png' }, /fromFile\(file\.filepath\)/],
      [JSON.parse(JSON.stringify(Buffer.from('x'))), /Buffer\.from\(object\.data\)/],
      [handle, /createReadStream\(\)/],
      [new Stream(), /wrap\(stream\)/],
      [Object.assign(Object.create(null), { path: '/etc/hosts' }), /fromFile\(path\)/],
      [[Buffer.from('x')], /Buffer\.concat/],
      [new Map(), /Map/],
      [{ a: 1 }, /JSON\.stringify/],
    ]
    for (const [body, message] of bodies) await refused(body, message)
    await handle.close()
  })

  test('text of a stream in object mode is UTF-8', async () => {
    await storage.uploadFile({ key: 'a', body: Readable.from(['é', Buffer.from('b')]) })
    assert.equal(await text((await storage.download({ key: 'a' })).body), 'éb')
  })
})
