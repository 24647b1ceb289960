'use strict'

// Any input whatever, through the addon: a typed error before anything is sent, or an object that reads back as it was
// given. Each run draws other inputs; a failure prints what draws the same again:
//
//   FC_SEED=123 FC_PATH=4:5 node --test --test-name-pattern=keys __test__/faults/properties.test.js
//
// FC_TIMES=100 draws so many times as many.

const assert = require('node:assert/strict')
const { once } = require('node:events')
const { createServer } = require('node:http')
const { Readable } = require('node:stream')
const { after, before, describe, test } = require('node:test')
const { buffer } = require('node:stream/consumers')
const fc = require('fast-check')
const api = require('../../index.js')
const { startLocalR2 } = require('../../lib/testing/index.js')
const { Lab } = require('../support/lab.js')

const { InputError, StorageError, newStorage, retryWithBackoff } = api
const seed = Number(process.env.FC_SEED ?? Date.now() & 0x7fffffff)
/** A hang is a failure; nothing here takes a second. */
const LIMIT_MS = 30_000

function property(name, runs, ...arbitrariesAndCheck) {
  test(name, { timeout: LIMIT_MS * 3 }, async (t) => {
    t.diagnostic(`FC_SEED=${seed}`)
    const options = {
      seed,
      path: process.env.FC_PATH,
      endOnFailure: true,
      includeErrorInReport: true,
      numRuns: runs * Number(process.env.FC_TIMES ?? 1),
      timeout: LIMIT_MS,
    }
    await fc.assert(fc.asyncProperty(...arbitrariesAndCheck), options)
  })
}

const quick = { maxAttempts: 2, initialDelayMs: 0, maxDelayMs: 0, timeout: LIMIT_MS }
let r2
let storage
before(async () => {
  r2 = await startLocalR2()
  storage = newStorage({ ...r2.config, retry: quick, logger: false })
})
after(async () => {
  storage.close()
  await r2.stop()
})

/** Lets `call` run; gives { result } or { error }, which is typed or a bug. */
async function outcomeOf(call) {
  try {
    return { result: await call() }
  } catch (error) {
    assert.ok(error instanceof StorageError, `not typed: ${error?.stack ?? String(error)}`)
    assert.equal(typeof error.code, 'string')
    assert.notEqual(error.category, 'internal', error.stack)
    JSON.stringify(error)
    return { error }
  }
}

/** The input was refused: nothing was sent, nothing is stored. */
function assertRefused(error, option) {
  assert.ok(error instanceof InputError, error.stack)
  assert.equal(error.attempts, 0)
  if (option)
    assert.ok(error.option === option || error.option.startsWith(`${option}[`), `${error.option}: ${error.message}`)
  assert.equal(r2.events().length, 0, 'nothing was sent')
}

// What people give: any text, text that means something to somebody on the way, and what is no text.
const special = [
  '/',
  '//',
  '.',
  '..',
  '%2e',
  '%',
  '?',
  '#',
  '&',
  '=',
  '+',
  ' ',
  '  ',
  '\\',
  '"',
  "'",
  '<',
  '\0',
  '\r\n',
  '\t',
  '\x7f',
  '\u0085',
  '\u2028',
  '\ufeff',
  '\u202e',
  'é',
  'e\u0301',
  '\ud800',
  '\udc00',
  '😀',
  '=?UTF-8?B?eA==?=',
  'a',
  'B',
  '0',
  '-',
  '_',
  '*',
  '~',
  ':',
  ';',
  '@',
  ',',
  '(',
  '$',
]
const unit = fc.oneof(
  fc.constantFrom(...special),
  fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
)
const someText = fc.oneof(
  fc.array(unit, { maxLength: 12 }).map((units) => units.join('')),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
)
const plainText = fc.string({ unit: fc.constantFrom(...'abcXYZ019-_. /'), minLength: 1, maxLength: 20 })
const whatever = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withNullPrototype: true,
  withTypedArray: true,
  withSparseArray: true,
  withBoxedValues: true,
  withObjectString: true,
  maxDepth: 2,
})
const bytes = fc.uint8Array({ maxLength: 64 })

describe('keys', () => {
  const long = fc
    .tuple(fc.constantFrom('a', 'é', '€', '😀'), fc.integer({ min: 250, max: 1030 }))
    .map(([unit, times]) => unit.repeat(times))
  const key = fc.oneof(
    { weight: 6, arbitrary: someText },
    plainText,
    long,
    fc.tuple(plainText, someText).map((parts) => parts.join('/')),
  )

  const isSound = (key) => {
    const length = Buffer.byteLength(key)
    const segments = key.split('/')
    const isBlank = /^\p{White_Space}*$/u.test(key)
    return (
      key.isWellFormed() &&
      !isBlank &&
      length <= 1024 &&
      !/[\p{Cc}\u2028\u2029\\]/u.test(key) &&
      !segments.some((part) => ['', '.', '..'].includes(part))
    )
  }

  property('keys are stored as they are or refused, by the documented rule', 300, key, bytes, async (key, body) => {
    r2.reset()
    const { result, error } = await outcomeOf(() => storage.uploadFile({ key, body }))
    assert.equal(!error, isSound(key), error?.stack)
    if (error) {
      assertRefused(error, 'key')
      return assert.equal(error.code, 'ERR_INVALID_KEY')
    }
    assert.equal(result.key, key)
    assert.deepEqual([...r2.objects().keys()], [key])
    assert.ok(r2.objects().get(key).body.equals(body))
    assert.equal(decodeURIComponent(new URL(result.location).pathname), `/pictures/${key}`)
    const read = await storage.download({ key })
    assert.ok((await buffer(read.body)).equals(body))
    assert.ok(await storage.exists({ key }))
  })

  property('what is no text is no key', 100, whatever, async (key) => {
    fc.pre(typeof key !== 'string')
    r2.reset()
    for (const operation of ['uploadFile', 'head', 'exists', 'download', 'delete', 'presign']) {
      const { error } = await outcomeOf(() =>
        storage[operation](operation === 'uploadFile' ? { key, body: 'x' } : { key }),
      )
      assertRefused(error, 'key')
      assert.deepEqual([error.code, error.operation], ['ERR_INVALID_KEY', operation === 'exists' ? 'head' : operation])
    }
  })
})

describe('metadata and headers', () => {
  const name = fc.oneof(
    plainText,
    someText,
    fc.constantFrom('__proto__', 'constructor', 'toString', 'X-Amz-Meta-a', 'x-amz-meta-', 'a', 'A', 'prompt'),
  )
  const value = fc.oneof(
    someText,
    someText,
    plainText,
    fc.string({ unit: 'grapheme', minLength: 100, maxLength: 3000 }),
  )
  const metadata = fc.array(fc.tuple(name, value), { maxLength: 4 }).map((entries) => Object.fromEntries(entries))

  property(
    'metadata reads back equal, from one server and from another',
    300,
    metadata,
    fc.boolean(),
    async (metadata, elsewhere) => {
      // It keeps what encoded words say, not the words, and sends back as it is what is ASCII: blanks at the ends are lost.
      fc.pre(!elsewhere || Object.values(metadata).every((value) => value.trim() === value && !value.includes('=?')))
      r2.reset()
      const there = elsewhere ? lab.storage({ retry: quick }) : storage
      const { error } = await outcomeOf(() => there.uploadFile({ key: 'a.png', body: 'x', metadata }))
      if (error) {
        assertRefused(error, 'metadata')
        return assert.equal(
          error.code,
          error.message.includes('surrogate') ? 'ERR_INVALID_OPTION' : 'ERR_INVALID_METADATA',
        )
      }
      const expected = Object.entries(metadata).map(([name, value]) => [
        name.toLowerCase().replace(/^x-amz-meta-/, ''),
        value,
      ])
      const { metadata: found } = await there.head({ key: 'a.png' })
      assert.deepEqual(new Map(Object.entries(found)), new Map(expected))
      assert.equal(Object.getPrototypeOf(found), Object.prototype)
      if (!elsewhere)
        for (const value of Object.values(r2.objects().get('a.png').metadata)) assert.match(value, /^[ -~]*$/)
    },
  )

  let lab
  before(async () => {
    lab = await Lab.start()
  })
  after(() => lab.stop())

  const ofHeaders = {
    contentType: fc.oneof(
      someText,
      fc.constantFrom('image/png', 'text/html; charset=utf-8', 'a/b', 'image', 'image/', 'a/b\r\nx: y'),
    ),
    disposition: fc.oneof(someText, fc.constantFrom('inline', 'attachment; filename="a.png"')),
    cacheControl: fc.oneof(someText, fc.constantFrom('immutable', 'no-store')),
    headers: fc.dictionary(
      fc.constantFrom(
        'Content-Language',
        'content-encoding',
        'Cache-Control',
        'cache-control',
        'host',
        'x-amz-acl',
        'Authorization',
        '\r\n',
      ),
      fc.oneof(plainText, someText),
      { maxKeys: 2 },
    ),
  }

  property(
    'headers read back as they were given, but for blanks around them',
    300,
    fc.record(ofHeaders, { requiredKeys: [] }),
    async (options) => {
      r2.reset()
      const { error } = await outcomeOf(() => storage.uploadFile({ key: 'a.png', body: 'x', ...options }))
      if (error) return assertRefused(error)
      const object = r2.objects().get('a.png')
      const named = Object.fromEntries(
        Object.entries(options.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value.trim()]),
      )
      const given = (option, header) => options[option]?.trim() || named[header]
      const cacheControl = given('cacheControl', 'cache-control')
      assert.equal(object.contentType, given('contentType', 'content-type') ?? 'image/png')
      assert.equal(object.headers['content-disposition'], given('disposition', 'content-disposition') ?? 'inline')
      assert.equal(
        object.headers['cache-control'],
        cacheControl === 'immutable' ? 'public, max-age=31536000, immutable' : cacheControl,
      )
      for (const name of ['content-language', 'content-encoding']) assert.equal(object.headers[name], named[name])
      assert.deepEqual(object.metadata, {})
    },
  )
})

describe('bodies', () => {
  const chunk = fc.oneof(
    { weight: 4, arbitrary: fc.uint8Array({ maxLength: 5000 }).map((bytes) => [bytes, bytes]) },
    fc
      .string({ unit: 'grapheme', maxLength: 50 })
      .filter((text) => text.isWellFormed())
      .map((text) => [text, Buffer.from(text)]),
    fc.uint8Array({ maxLength: 50 }).map((bytes) => [new Uint8Array(bytes).buffer, bytes]),
  )
  const chunks = fc.array(chunk, { maxLength: 6 })
  const ways = {
    bytes: (_, whole) => whole,
    view: (_, whole) => new DataView(new Uint8Array([1, ...whole, 2]).buffer, 1, whole.length),
    shared: (_, whole) => new Uint8Array(new SharedArrayBuffer(whole.length)).fill(0).map((_, at) => whole[at]),
    blob: (chunks) => new Blob(chunks),
    iterable: async function* (chunks) {
      yield* chunks
    },
    readable: (chunks) => Readable.from(chunks),
    web: (chunks, whole) => new Response(whole).body,
    response: (chunks, whole) => new Response(whole),
    request: (chunks, whole) => new Request('http://127.0.0.1/', { method: 'POST', body: whole }),
  }

  property(
    'whatever way bytes come, these are the bytes that are stored',
    150,
    fc.constantFrom(...Object.keys(ways)),
    chunks,
    fc.boolean(),
    async (way, chunks, sha256) => {
      r2.reset()
      const whole = Buffer.concat(chunks.map(([, bytes]) => bytes))
      // A Readable in object mode takes an empty string for its end.
      fc.pre(way !== 'readable' || chunks.every(([, bytes]) => bytes.length > 0))
      const result = await storage.uploadFile({
        key: 'a',
        body: ways[way](
          chunks.map(([given]) => given),
          whole,
        ),
        sha256,
      })
      assert.ok(r2.objects().get('a').body.equals(whole))
      assert.equal(result.size, whole.length)
    },
  )

  property(
    'other things are refused, wherever in a stream they come',
    200,
    whatever,
    chunks,
    fc.boolean(),
    async (thing, chunks, inside) => {
      const isBytes = ArrayBuffer.isView(thing) || thing instanceof ArrayBuffer
      fc.pre(!isBytes && typeof thing !== 'string' && typeof thing?.path !== 'string')
      r2.reset()
      const body = inside ? ways.iterable([...chunks.map(([given]) => given), thing]) : thing
      const { error } = await outcomeOf(() => storage.uploadFile({ key: 'a', body }))
      assert.equal(error?.code, 'ERR_INVALID_BODY', error?.stack)
      assert.deepEqual([r2.objects().size, r2.uploads().length], [0, 0])
      if (!inside) assertRefused(error, 'body')
    },
  )

  property(
    'a length that is not that of the bytes stores nothing',
    100,
    chunks,
    fc.oneof(fc.nat(20_000), fc.double(), whatever),
    async (chunks, contentLength) => {
      r2.reset()
      const whole = Buffer.concat(chunks.map(([, bytes]) => bytes))
      const { error } = await outcomeOf(() =>
        storage.uploadFile({ key: 'a', body: ways.iterable(chunks.map(([given]) => given)), contentLength }),
      )
      const right = contentLength === undefined || contentLength === null || Object.is(contentLength, whole.length)
      assert.equal(!error, right, error?.stack)
      assert.equal(r2.objects().size, right ? 1 : 0)
    },
  )
})

describe('options', () => {
  const odd = fc.oneof(
    fc.double(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.constantFrom(-0, 0.5, 1, 100, 101, 2 ** 31 - 1, 2 ** 31, '3', 3n, null),
    whatever,
  )
  const retry = fc.record(
    {
      preset: fc.constantFrom('fast', 'persistent', 'FAST', undefined),
      maxAttempts: odd,
      initialDelayMs: odd,
      maxDelayMs: odd,
      timeout: odd,
      timeoutGrowth: odd,
      deadlineMs: odd,
      jitter: fc.constantFrom('none', 'full', 'bounded', 'maybe'),
    },
    { requiredKeys: [] },
  )

  property(
    'retry numbers are refused by name, or bound what they say',
    400,
    fc.oneof(retry, whatever),
    async (retry) => {
      fc.pre(retry !== null && retry !== undefined)
      const waits = []
      const controller = new AbortController()
      const onRetry = ({ delayMs, maxAttempts }) => {
        waits.push([delayMs, maxAttempts])
        controller.abort('enough')
      }
      const options =
        typeof retry === 'object' && !Array.isArray(retry) ? { ...retry, signal: controller.signal, onRetry } : retry
      let calls = 0
      const failure = Object.assign(new Error('reset'), { code: 'ECONNRESET' })
      const error = await retryWithBackoff(() => {
        calls += 1
        throw failure
      }, options).then(assert.fail, (error) => error)
      if (error === failure || error === 'enough') {
        assert.equal(calls, 1)
        for (const [delayMs, maxAttempts] of waits) {
          assert.ok(
            delayMs >= 0 && delayMs <= (retry.maxDelayMs ?? 20_000) && maxAttempts >= 2 && maxAttempts <= 100,
            `${delayMs}`,
          )
          if (retry.maxAttempts) assert.equal(maxAttempts, retry.maxAttempts)
        }
        newStorage({ retry }).close()
      } else {
        assert.ok(error instanceof InputError, error?.stack)
        assert.deepEqual([calls, error.operation], [0, 'retryWithBackoff'])
        assert.throws(() => newStorage({ retry }), InputError)
      }
    },
  )

  const names = [
    'endpoint',
    'region',
    'accessKey',
    'secretKey',
    'sessionToken',
    'bucket',
    'domain',
    'endpoints',
    'profile',
    'maxDurationMs',
    'allowHttp',
    'caCertificates',
    'retry',
    'retryOptions',
    'verifyIntegrity',
    'connectTimeoutMs',
    'stallTimeoutMs',
    'allowPrivateNetworks',
    'allowedHosts',
    'maxBytes',
    'concurrency',
    'maxConnections',
    'multipartThresholdBytes',
    'partSizeBytes',
    'partConcurrency',
    'logger',
    'logLevel',
    'logFormat',
    'openTelemetry',
    '__proto__',
    'other',
  ]
  const configs = fc.oneof(
    whatever,
    fc
      .array(fc.tuple(fc.constantFrom(...names), fc.oneof(odd, someText, fc.boolean())), { maxLength: 3 })
      .map((entries) => Object.fromEntries(entries)),
  )

  property('a configuration is taken or refused', 500, configs, async (config) => {
    try {
      newStorage(config).close()
    } catch (error) {
      assert.ok(error instanceof InputError, error.stack)
      assert.ok(['ERR_INVALID_OPTION', 'ERR_MISSING_OPTION'].includes(error.code), error.stack)
    }
  })

  const fields = [
    'key',
    'bucket',
    'body',
    'contentType',
    'retry',
    'verifyIntegrity',
    'ifMatch',
    'ifNoneMatch',
    'expires',
    'storageClass',
    'compress',
    'sha256',
    'checkpoint',
    'signal',
    'onProgress',
    'onRetry',
    'contentLength',
    'range',
    'prefix',
    'startAfter',
    'pageSize',
    'olderThan',
    'keep',
    'method',
    'expiresInSeconds',
    'concurrency',
    'other',
  ]
  // A checkpoint that is a path would be a file in the tests' folder.
  const field = fc
    .constantFrom(...fields)
    .chain((name) =>
      fc.tuple(
        fc.constant(name),
        name === 'checkpoint' ? whatever.filter((value) => typeof value !== 'string') : fc.oneof(odd, someText),
      ),
    )
  const someOptions = fc.oneof(
    whatever,
    fc.array(field, { maxLength: 3 }).map((entries) => ({ key: 'a', ...Object.fromEntries(entries) })),
  )
  const operations = {
    uploadFile: (options) => storage.uploadFile(options),
    withBody: (options) =>
      storage.uploadFile(options !== null && typeof options === 'object' ? { body: 'x', ...options } : options),
    uploadFiles: (options) => storage.uploadFiles([], options),
    ofItems: async (options) => {
      const outcomes = await storage.uploadFiles(Array.isArray(options) ? options : [options])
      const failed = outcomes.filter(({ uploadError }) => uploadError)
      for (const { error } of failed) assert.ok(error instanceof StorageError, error?.stack)
    },
    downloadAndUpload: (options) => storage.downloadAndUpload(options),
    head: (options) => storage.head(options),
    exists: (options) => storage.exists(options),
    delete: (options) => storage.delete(options),
    download: (options) => storage.download(options),
    presign: (options) => storage.presign(options),
    cleanup: (options) => storage.abortIncompleteUploads(options),
    reconcile: (options) => storage.reconcile(options),
    list: async (options) => {
      for await (const { key } of storage.list(options)) assert.equal(typeof key, 'string')
    },
    on: (options) => storage.on(options, () => {}),
    setBreaker: (options) => storage.setBreaker('closed', options),
  }

  property(
    'no call meets options that break it',
    1000,
    fc.constantFrom(...Object.keys(operations)),
    someOptions,
    async (operation, options) => {
      r2.reset()
      await outcomeOf(() => operations[operation](options))
    },
  )
})

describe('sources', () => {
  let source
  let reply
  let url
  let fetching
  before(async () => {
    source = createServer((request, response) => {
      const { status, headers, body } = reply
      response.writeHead(status, headers)
      response.end(body)
    })
    source.listen(0, '127.0.0.1')
    await once(source, 'listening')
    url = `http://127.0.0.1:${source.address().port}`
    fetching = newStorage({ ...r2.config, retry: quick, logger: false, allowPrivateNetworks: true })
  })
  after(() => {
    fetching.close()
    source.closeAllConnections()
    source.close()
  })

  const headerText = fc.string({
    unit: fc
      .integer({ min: 0x20, max: 0xff })
      .filter((code) => code !== 0x7f)
      .map((code) => String.fromCharCode(code)),
    maxLength: 30,
  })
  const headers = fc.record(
    {
      'content-type': fc.oneof(headerText, fc.constantFrom('image/png', 'text/html', 'image/png; x="', '')),
      etag: fc.oneof(headerText, fc.constantFrom('"a"', 'W/"a"', '"')),
      'last-modified': headerText,
      'content-range': fc.oneof(headerText, fc.constant('bytes 0-1/2')),
      'content-encoding': fc.oneof(headerText, fc.constantFrom('gzip', 'br', 'identity')),
      'retry-after': fc.oneof(headerText, fc.constantFrom('0', '-1')),
      location: fc.oneof(headerText, fc.constantFrom('/', '//', 'file:///etc/passwd', 'http://127.0.0.1:0/')),
    },
    { requiredKeys: [] },
  )
  const status = fc.oneof(
    { weight: 5, arbitrary: fc.constant(200) },
    fc.integer({ min: 200, max: 599 }).filter((status) => ![204, 205, 304].includes(status)),
  )

  property(
    'a response is stored whole or not at all',
    200,
    status,
    headers,
    fc.uint8Array({ maxLength: 200 }),
    async (status, headers, body) => {
      r2.reset()
      reply = { status, headers: { ...headers, 'content-length': body.length }, body }
      const { result, error } = await outcomeOf(() =>
        fetching.downloadAndUpload({ key: 'a', url: `${url}/a.png`, retry: { deadlineMs: 5000 } }),
      )
      if (error) {
        assert.ok(
          ['source', 'input', 'network', 'timeout', 'throttled', 'service'].includes(error.category),
          error.stack,
        )
        return assert.deepEqual([r2.objects().size, r2.uploads().length], [0, 0])
      }
      assert.equal(status, 200)
      assert.ok(r2.objects().get('a').body.equals(body))
      assert.equal(result.size, body.length)
      assert.match(result.contentType, /^[ -~]+\/[ -~]+$/)
    },
  )

  test('a host in other letters is the one that Node takes it for', async () => {
    r2.reset()
    reply = { status: 200, headers: { 'content-type': 'image/png' }, body: Buffer.from('x') }
    const there = url.replace('127.0.0.1', 'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ')
    assert.equal(new URL(there).hostname, 'localhost')
    await fetching.downloadAndUpload({ key: 'a', url: `${there}/ä.png` })
    assert.ok(r2.objects().get('a').body.equals(reply.body))
    const { error } = await outcomeOf(() => storage.downloadAndUpload({ key: 'a', url: there }))
    assert.equal(error.code, 'ERR_BLOCKED_URL')
  })

  property(
    'a URL is fetched or refused',
    500,
    fc.oneof(
      someText,
      fc
        .tuple(
          fc.constantFrom('http:', 'https:', 'HTTP:', 'file:', ''),
          fc.constantFrom('//', '/', '', '///', '\\\\'),
          fc.constantFrom('127.1', '[::1]', '0x7f.1', 'localhost', '127.0.0.1', '.', 'a..b'),
          someText,
        )
        .map((parts) => parts.join('')),
      whatever,
    ),
    async (given) => {
      // Nothing here may ask for a host that is not this one.
      fc.pre(typeof given !== 'string' || !isPublic(given))
      r2.reset()
      const { error } = await outcomeOf(() => storage.downloadAndUpload({ key: 'a', url: given }))
      assert.ok(['ERR_INVALID_URL', 'ERR_BLOCKED_URL'].includes(error?.code), error?.stack)
      assertRefused(error, 'url')
    },
  )

  function isPublic(text) {
    const host = URL.canParse(text) ? new URL(text).hostname : ''
    return /[^0-9.]/.test(host) && !host.startsWith('[') && !/^(localhost|\.|a\.\.b)/.test(host) && host.includes('.')
  }
})
