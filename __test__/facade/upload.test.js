'use strict'

const assert = require('node:assert/strict')
const { AsyncLocalStorage } = require('node:async_hooks')
const { getEventListeners } = require('node:events')
const { after, before, describe, test } = require('node:test')

const api = require('../../index.js')
const { startServer } = require('./support/server.js')

const quick = { initialDelayMs: 1, maxDelayMs: 1 }
let server
let storage
before(async () => {
  server = await startServer()
  storage = api.newStorage({ ...server.config, retry: quick })
})
after(async () => {
  storage.close()
  await server.close()
})

test('a result has the contract', async () => {
  const result = await storage.uploadFile({ body: 'hello', key: 'a/b.txt' })
  const { etag, elapsedMs, requestId, ...rest } = result
  assert.deepEqual(rest, {
    endpoint: server.endpoint,
    failedOver: false,
    location: `${server.endpoint}/pictures/a/b.txt`,
    bucket: 'pictures',
    key: 'a/b.txt',
    filename: 'b.txt',
    url: `${server.endpoint}/pictures/a/b.txt`,
    size: 5,
    contentType: 'text/plain; charset=utf-8',
    attempts: 1,
    parts: 1,
  })
  assert.equal(server.object('a/b.txt').headers['content-disposition'], 'inline')
})

describe('bodies are stored byte for byte', () => {
  const memory = Uint8Array.from({ length: 64 }, (_, i) => i).buffer
  const shared = new SharedArrayBuffer(16)
  new Uint8Array(shared).set([1, 2, 3])
  const resizable = new ArrayBuffer(4, { maxByteLength: 64 })
  new Uint8Array(resizable).fill(7)
  class Mine extends Uint8Array {}
  const at = (start, end) => Buffer.from(memory.slice(start, end))
  const table = {
    Buffer: [Buffer.from('pool'), Buffer.from('pool')],
    'empty Buffer': [Buffer.alloc(0), Buffer.alloc(0)],
    'empty string': ['', Buffer.alloc(0)],
    string: ['grüße €😀', Buffer.from('grüße €😀')],
    subarray: [new Uint8Array(memory, 3, 9), at(3, 12)],
    Float64Array: [new Float64Array(memory, 8, 2), at(8, 24)],
    DataView: [new DataView(memory, 5, 6), at(5, 11)],
    subclass: [new Mine(memory, 1, 4), at(1, 5)],
    ArrayBuffer: [memory, at(0, 64)],
    'empty ArrayBuffer': [new ArrayBuffer(0), Buffer.alloc(0)],
    SharedArrayBuffer: [shared, Buffer.from(new Uint8Array(shared))],
    'view of shared memory': [new Uint8Array(shared, 1, 2), Buffer.from([2, 3])],
    'resizable ArrayBuffer': [resizable, Buffer.alloc(4, 7)],
    'resizable view': [new Uint8Array(resizable), Buffer.alloc(4, 7)],
    Blob: [new Blob(['blob']), Buffer.from('blob')],
    'other realm': [require('node:vm').runInNewContext('new Uint8Array([1, 2, 3])'), Buffer.from([1, 2, 3])],
  }
  for (const [name, [body, expected]] of Object.entries(table)) {
    test(name, async () => {
      const { size } = await storage.uploadFile({ body, key: 'body' })
      assert.deepEqual(server.object('body').body, expected)
      assert.equal(size, expected.length)
    })
  }
})

test('a buffer may be changed as soon as the call is made', async () => {
  const body = Buffer.alloc(1 << 20, 1)
  const promise = storage.uploadFile({ body, key: 'changed' })
  body.fill(2)
  await promise
  assert.ok(server.object('changed').body.every((byte) => byte === 1))
})

test('the type of a Blob is its content type, unless one is given', async () => {
  const file = new File(['x'], 'x', { type: 'image/webp' })
  assert.equal((await storage.uploadFile({ body: file, key: 'f' })).contentType, 'image/webp')
  assert.equal((await storage.uploadFile({ body: file, key: 'f', contentType: 'image/png' })).contentType, 'image/png')
  assert.equal(
    (await storage.uploadFile({ body: new Blob(['x']), key: 'f.gif', contentType: '' })).contentType,
    'image/gif',
  )
})

test('headers and metadata arrive', async () => {
  await storage.uploadFile({
    body: 'x',
    key: 'm',
    cacheControl: 'no-store',
    disposition: 'attachment',
    metadata: { Prompt: 'cat' },
    headers: { 'Content-Language': 'de' },
  })
  const { headers } = server.object('m')
  assert.equal(headers['cache-control'], 'no-store')
  assert.equal(headers['content-disposition'], 'attachment')
  assert.equal(headers['x-amz-meta-prompt'], 'cat')
  assert.equal(headers['content-language'], 'de')
})

test('immutable and the storage class arrive as R2 wants them', async () => {
  await storage.uploadFile({ body: 'x', key: 'i', cacheControl: 'immutable', storageClass: 'STANDARD_IA' })
  const { headers } = server.object('i')
  assert.equal(headers['cache-control'], 'public, max-age=31536000, immutable')
  assert.equal(headers['x-amz-storage-class'], 'STANDARD_IA')
  await assert.rejects(storage.uploadFile({ body: 'x', key: 'i', storageClass: 'GLACIER' }), {
    name: 'InputError',
    option: 'storageClass',
  })
})

test('retries are reported to the callback and to the logger', async () => {
  const lines = []
  const logger = { warn: (line) => lines.push(['warn', line]), error: (line) => lines.push(['error', line]) }
  const logged = api.newStorage({ ...server.config, retry: quick, logger })
  const events = []
  server.respond(503, 'reset')
  const result = await logged.uploadFile({ body: 'x', key: 'k', onRetry: (event) => events.push(event) })
  assert.equal(result.attempts, 3)
  assert.deepEqual(
    events.map(({ operation, key, attempt, maxAttempts, category }) => [
      operation,
      key,
      attempt,
      maxAttempts,
      category,
    ]),
    [
      ['uploadFile', 'k', 1, 4, 'service'],
      ['uploadFile', 'k', 2, 4, 'network'],
    ],
  )
  assert.equal(lines.length, 2)
  assert.match(
    lines[0][1],
    /^\[Storage\] Upload retry 1\/4 in \d+ ms: \S+ \(key "k", host 127\.0\.0\.1\S*, status 503, elapsed \d+ ms\): \S/,
  )
  assert.match(lines[1][1], /^\[Storage\] Upload retry 2\/4 in \d+ ms: ECONNRESET/)
  lines.length = 0
  server.respond(403)
  await assert.rejects(logged.uploadFile({ body: 'x', key: 'k' }), api.AuthError)
  await assert.rejects(logged.uploadFile({ body: 'x', key: '' }), api.InputError)
  await assert.rejects(logged.uploadFile({ body: 'x', key: 'k', signal: AbortSignal.abort() }), { name: 'AbortError' })
  assert.equal(lines.length, 1)
  assert.match(lines[0][1], /^\[Critical\] Failed to upload "k" after 1 attempt in \d+ ms: \S+ \(.*status 403/)
  logged.close()
})

test('in production the console shows failures only, without details', async (t) => {
  const { NODE_ENV } = process.env
  t.after(() => (NODE_ENV === undefined ? delete process.env.NODE_ENV : (process.env.NODE_ENV = NODE_ENV)))
  process.env.NODE_ENV = 'production'
  const warn = t.mock.method(console, 'warn', () => {})
  const error = t.mock.method(console, 'error', () => {})
  const plain = api.newStorage({ ...server.config, retry: quick, logger: undefined })
  server.respond(503, 403)
  await assert.rejects(plain.uploadFile({ body: 'x', key: 'k' }), api.AuthError)
  assert.equal(warn.mock.callCount(), 0)
  assert.equal(error.mock.callCount(), 1)
  assert.match(error.mock.calls[0].arguments[0], /^\[Critical\] Failed to upload "k" after 2 attempts in \d+ ms: \w+$/)
  plain.close()
})

test('loggers and callbacks that throw harm no upload', async () => {
  const warnings = []
  const listen = (warning) => warnings.push(warning.message)
  process.on('warning', listen)
  const logger = {
    warn() {
      throw new Error('logger')
    },
    get error() {
      return undefined
    },
  }
  const loud = api.newStorage({ ...server.config, retry: quick, logger })
  server.respond(503, 503)
  const result = await loud.uploadFile({
    body: 'x',
    key: 'k',
    onRetry() {
      throw new Error('mine')
    },
    async onProgress() {
      throw new Error('also mine')
    },
  })
  assert.equal(result.attempts, 3)
  await new Promise((resolve) => setTimeout(resolve, 20))
  process.off('warning', listen)
  assert.equal(warnings.filter((text) => text.startsWith('onRetry threw')).length, 1)
  assert.equal(warnings.filter((text) => text.startsWith('onProgress threw')).length, 1)
  loud.close()
})

test('progress rises to 100, which comes after the response, in the context of the call', async () => {
  const context = new AsyncLocalStorage()
  const seen = []
  const body = Buffer.alloc(16 << 20)
  server.respond('reset')
  const onProgress = (percent, detail) => seen.push([percent, detail, context.getStore()])
  await context.run('request', () => storage.uploadFile({ body, key: 'big', onProgress }))
  const percents = seen.map(([percent]) => percent)
  assert.ok(
    percents.every(
      (percent, i) => Number.isInteger(percent) && percent >= 0 && (i === 0 || percent >= percents[i - 1]),
    ),
    String(percents),
  )
  assert.equal(percents.at(-1), 100)
  const { bytesPerSecond, ...last } = seen.at(-1)[1]
  assert.deepEqual(last, { loadedBytes: body.length, totalBytes: body.length, part: 1, attempt: 2 })
  assert.ok(bytesPerSecond > 0)
  assert.ok(seen.every(([, , store]) => store === 'request'))
})

test('downloadAndUpload takes a URL object, headers for the source and the permission to go there', async () => {
  const percents = []
  await storage.downloadAndUpload({
    url: new URL(`${server.endpoint}/some.png`),
    key: 'fetched',
    sourceHeaders: { from: 'me' },
    allowedHosts: ['127.0.0.1'],
    onProgress: (percent) => percents.push(percent),
  })
  assert.equal(server.object('fetched').body.toString(), 'got with me')
  assert.equal(percents.at(-1), 100)
  const [{ error }] = await storage.uploadFiles([{ url: 'http://10.0.0.1/x', key: 'k' }])
  assert.deepEqual([error.code, error.operation, error.key], ['ERR_BLOCKED_URL', 'downloadAndUpload', 'k'])
})

describe('a signal', () => {
  const reason = new Error('gone')

  test('that has fired sends nothing', async () => {
    const before = server.connections()
    await assert.rejects(
      storage.uploadFile({ body: 'x', key: 'k', signal: AbortSignal.abort(reason) }),
      (error) => error === reason,
    )
    assert.equal(server.connections(), before)
  })

  test('ends a hanging request and a wait, with its reason, and is let go', async () => {
    for (const [reply, retry] of [
      ['hang', undefined],
      [503, 'aggressive'],
    ]) {
      server.respond(reply)
      const controller = new AbortController()
      const mine = () => {}
      controller.signal.onabort = mine
      const listeners = getEventListeners(controller.signal, 'abort').length
      const promise = storage.uploadFile({ body: 'x', key: 'k', signal: controller.signal, retry })
      await new Promise((resolve) => setTimeout(resolve, 50))
      const started = performance.now()
      controller.abort(reason)
      await assert.rejects(promise, (error) => error === reason)
      // Far below what it would take by itself.
      assert.ok(performance.now() - started < 1000)
      assert.equal(controller.signal.onabort, mine)
      assert.equal(getEventListeners(controller.signal, 'abort').length, listeners)
    }
  })

  test('ends the reading of a Blob', async () => {
    class SlowBlob extends Blob {
      arrayBuffer() {
        return new Promise(() => {})
      }
    }
    const signal = AbortSignal.timeout(10)
    await assert.rejects(storage.uploadFile({ body: new SlowBlob(['x']), key: 'k', signal }), { name: 'TimeoutError' })
  })
})

test('close ends what is in flight', async () => {
  const closing = api.newStorage(server.config)
  server.respond('hang')
  const promise = closing.uploadFile({ body: 'x', key: 'k' })
  setTimeout(() => closing.close(), 20)
  await assert.rejects(promise, { name: 'StorageError', code: 'ERR_CLOSED', category: 'aborted' })
})

describe('uploadFiles', () => {
  test('gives one outcome for each item, in order, and no more at once than asked', async () => {
    const items = Array.from({ length: 20 }, (_, i) => ({ body: `body ${i}`, key: i === 7 ? '' : `many/${i}` }))
    const outcomes = await storage.uploadFiles(items, { concurrency: 3 })
    assert.equal(outcomes.length, 20)
    for (const [i, outcome] of outcomes.entries()) {
      assert.equal(outcome.uploadError, i === 7)
      if (i === 7)
        assert.deepEqual(
          [outcome.error.code, outcome.errorMessage, outcome.key],
          ['ERR_INVALID_KEY', outcome.error.userMessage, ''],
        )
      else assert.equal(server.object(`many/${i}`).body.toString(), `body ${i}`)
    }
  })

  test('an aborted item is a failed one', async () => {
    const [outcome] = await storage.uploadFiles([{ body: 'x', key: 'k', signal: AbortSignal.abort() }])
    assert.equal(outcome.uploadError, true)
    assert.equal(outcome.error.name, 'AbortError')
    assert.match(outcome.errorMessage, /cancelled/)
  })

  test('a signal is of every item that has none of its own', async () => {
    const own = new AbortController()
    const items = [
      { body: 'x', key: 'signal/a' },
      { body: 'x', key: 'signal/b', signal: own.signal },
    ]
    const outcomes = await storage.uploadFiles(items, { signal: AbortSignal.abort() })
    assert.deepEqual(
      outcomes.map(({ uploadError }) => uploadError),
      [true, false],
    )
  })

  test('what an outcome serializes is what a browser may see', async () => {
    const closed = api.newStorage({
      ...server.config,
      endpoint: 'http://127.0.0.1:9',
      retry: { maxAttempts: 1 },
      logger: false,
    })
    const domain = api.newStorage({ ...server.config, domain: 'https://images.example.com' })
    const [missing] = await domain.uploadFiles([{ body: new URL('file:///srv/app/secret.png'), key: 'k' }])
    const [refused, wrong] = await closed.uploadFiles([
      { body: 'x', key: 'k' },
      { body: 'x', key: 'k', contentType: 7 },
    ])
    const [aborted] = await closed.uploadFiles([
      { body: 'x', key: 'k', signal: AbortSignal.abort(new Error('/srv/app/reason')) },
    ])
    const [stored] = await domain.uploadFiles([{ body: 'x', key: 'public.txt' }])
    closed.close()
    domain.close()

    const json = await Response.json([missing, refused, wrong, aborted, stored]).text()
    for (const secret of ['127.0.0.1', '/srv/app', 'ECONNREFUSED:', 'no such file', '    at ', 'pictures'])
      assert.ok(!json.includes(secret), `${secret} in ${json}`)
    for (const outcome of [missing, refused, wrong, aborted]) {
      assert.deepEqual(Object.keys(outcome), ['uploadError', 'code', 'errorMessage', 'userMessage', 'key'])
      for (const copy of [{ ...outcome }, structuredClone(outcome), JSON.parse(JSON.stringify(outcome))]) {
        assert.deepEqual(copy, {
          uploadError: true,
          code: outcome.code,
          errorMessage: outcome.errorMessage,
          userMessage: outcome.errorMessage,
          key: 'k',
        })
      }
      assert.ok(outcome.error instanceof Error, 'the server has it')
    }
    assert.deepEqual([refused.code, wrong.code, aborted.code], ['ECONNREFUSED', 'ERR_INVALID_OPTION', 'ERR_INTERNAL'])

    const { etag } = stored
    assert.deepEqual(JSON.parse(JSON.stringify(stored)), {
      uploadError: false,
      key: 'public.txt',
      filename: 'public.txt',
      url: 'https://images.example.com/public.txt',
      size: 1,
      contentType: stored.contentType,
      etag,
    })
    assert.equal(stored.location, `${server.endpoint}/pictures/public.txt`, 'the server has it')
    assert.deepEqual(structuredClone(stored), { ...stored })
  })

  test('an item of a class is read with a signal as without', async () => {
    class Item {
      get key() {
        return 'signal/class'
      }
      get body() {
        return 'x'
      }
    }
    const [[outcome], [odd]] = [
      await storage.uploadFiles([new Item()], { signal: new AbortController().signal }),
      await storage.uploadFiles(['abc'], { signal: new AbortController().signal }),
    ]
    assert.deepEqual([outcome.uploadError, /options must be an object/.test(odd.error.message)], [false, true])
  })

  test('maxBytes lets as much pass', async () => {
    for (const body of ['four', new Blob(['four']).stream(), new Response('four')]) {
      const { size } = await storage.uploadFile({ body, key: 'most', maxBytes: 4 })
      assert.equal(size, 4)
    }
  })
})

test('the top-level functions use the environment, which may come late', async (t) => {
  const saved = { ...process.env }
  t.after(() => {
    for (const name of Object.keys(process.env)) if (!(name in saved)) delete process.env[name]
    Object.assign(process.env, saved)
  })
  for (const name of Object.keys(process.env)) if (name.startsWith('STORAGE_')) delete process.env[name]
  await assert.rejects(api.uploadFile({ body: 'x', key: 'k' }), { code: 'ERR_MISSING_OPTION' })
  Object.assign(process.env, {
    STORAGE_ENDPOINT: server.endpoint,
    STORAGE_ACCESS_KEY: 'AK',
    STORAGE_SECRET_KEY: 'SK',
    STORAGE_BUCKET: 'pictures',
    STORAGE_DOMAIN: 'https://images.example.com',
    NODE_EXTRA_CA_CERTS: '/there/is/no/such/file.pem',
  })
  const empty = api.newStorage()
  process.env.NODE_EXTRA_CA_CERTS = __filename
  assert.equal((await empty.uploadFile({ body: 'x', key: 'k' })).key, 'k', 'no certificate in it')
  assert.equal((await api.uploadFile({ body: 'x', key: 'top' })).url, 'https://images.example.com/top')
  assert.equal((await api.uploadFiles([{ body: 'x', key: 'top' }]))[0].uploadError, false)
  await assert.rejects(api.downloadAndUpload({ url: server.endpoint, key: 'top' }), { code: 'ERR_BLOCKED_URL' })
})

test('using disposes', { skip: !Symbol.dispose }, async () => {
  const disposed = api.newStorage(server.config)
  await disposed.uploadFile({ body: 'x', key: 'k' })
  await disposed[Symbol.asyncDispose]()
  await assert.rejects(disposed.uploadFile({ body: 'x', key: 'k' }), { code: 'ERR_CLOSED' })
})
