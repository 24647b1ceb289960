'use strict'

const assert = require('node:assert/strict')
const { after, before, describe, test } = require('node:test')
const { join } = require('node:path')
const { Readable } = require('node:stream')
const { inspect } = require('node:util')

const { InputError, RetryPresets, Storage, fromFile, newStorage, retryWithBackoff } = require('../../index.js')
const { startServer } = require('./support/server.js')

let server
let storage
before(async () => {
  server = await startServer()
  storage = newStorage(server.config)
})
after(async () => {
  storage.close()
  assert.equal(server.connections(), 0, 'nothing was sent')
  await server.close()
})

const body = Buffer.from('x')
const key = 'a.png'

describe('a configuration is refused at once', () => {
  const odd = [NaN, Infinity, -Infinity, -1, 0, 1.5, '3', 3n, {}, [3], true]
  const table = [
    ['config', [42, 'x', [], () => {}]],
    [
      'endpoint',
      [
        42,
        {},
        [],
        true,
        'ftp://host',
        'not a url',
        'http://example.com',
        'https://u:CANARY@host',
        'https://h/x?CANARY',
      ],
    ],
    ['region', [42, 'us east']],
    ['accessKey', [42, {}, 'CANARY KEY', 'CANARY\n', '\ud800']],
    ['secretKey', [42, {}, 'CANARY KEY', 'CANARY\n']],
    ['sessionToken', [42, 'CANARY\r\n']],
    ['bucket', [42, 'ab', 'UPPER', 'a_b', '-ab', 'a/b', 'x'.repeat(64)]],
    ['domain', [42, 'ftp://x', 'https://x?CANARY', `https://${'x'.repeat(3000)}`]],
    ['allowHttp', ['true', 1]],
    ['caCertificates', ['PEM', {}, ['PEM']]],
    ['retry', [42, true, [], 'agressive', 'FAST']],
    ['retryOptions', [42, 'agressive']],
    ['verifyIntegrity', ['yes', 0]],
    ['connectTimeoutMs', [...odd, 2 ** 31]],
    ['stallTimeoutMs', [...odd, 2 ** 31]],
    ['idleTimeoutMs', [...odd, 2 ** 31]],
    ['multipartThresholdBytes', [...odd, 5 * 1024 * 1024 - 1, 2 ** 53]],
    ['partSizeBytes', [...odd, 5 * 1024 * 1024 - 1, 5 * 1024 ** 3]],
    ['partConcurrency', [...odd, 17]],
    ['allowPrivateNetworks', ['no']],
    ['allowedHosts', ['example.com', {}]],
    ['maxDownloadBytes', [...odd, 2 ** 53]],
    ['uploadConcurrency', [...odd, 1e6]],
    ['maxConnections', [...odd, 10_001]],
    ['endpoints', [42, {}, 'https://a.example', [], Array(9).fill({ endpoint: 'https://a.example' })]],
    ['profile', [42, '', 'edge', 'SERVERLESS']],
    ['maxDurationMs', [...odd, 1999, 60_000]],
    ['logger', [true, 'console', 42, { warn: 'x' }]],
  ]
  for (const [option, values] of table) {
    test(option, () => {
      for (const value of values) {
        const config = option === 'config' ? value : { [option]: value }
        assert.throws(
          () => newStorage(config),
          (error) => {
            assert.ok(error instanceof InputError, `${inspect(value)}: ${inspect(error)}`)
            assert.equal(error.code, 'ERR_INVALID_OPTION')
            assert.equal(error.option, option)
            assert.equal(error.attempts, 0)
            assert.doesNotMatch(inspect(error) + JSON.stringify(error), /CANARY/)
            return true
          },
        )
      }
    })
  }

  test('endpoints, by their place', () => {
    const sound = { endpoint: 'https://a.example', bucket: 'abc' }
    const keys = { accessKey: 'AK', secretKey: 'CANARY KEY' }
    const table = [
      [[sound, sound], 'endpoints[1].endpoint'],
      [[sound, { endpoint: 'http://b.example' }], 'endpoints[1].endpoint'],
      [[sound, { endpoint: 'https://b.example', ...keys }], 'endpoints[1].secretKey'],
      [[{ endpoint: 'https://b.example', bukket: 'x' }], 'endpoints[0].bukket'],
      [[sound, 'https://b.example'], 'endpoints[1]'],
    ]
    for (const [endpoints, option] of table) {
      assert.throws(
        () => newStorage({ endpoints }),
        (error) => {
          assert.deepEqual([error.code, error.option], ['ERR_INVALID_OPTION', option])
          assert.doesNotMatch(inspect(error), /CANARY/)
          return true
        },
      )
    }
    assert.throws(() => newStorage({ endpoint: 'https://a.example', endpoints: [sound] }), { option: 'endpoint' })
    assert.throws(() => newStorage({ profile: 'worker', maxDurationMs: 60_000 }), { option: 'maxDurationMs' })
  })

  test('the numbers of retry options, by their path', () => {
    const whole = ['maxAttempts', 'initialDelayMs', 'maxDelayMs', 'timeout', 'deadlineMs']
    for (const field of whole) {
      for (const value of [NaN, Infinity, -1, 1.5, 2 ** 31, '3', 3n, true]) {
        const refused = { code: 'ERR_INVALID_OPTION', option: `retry.${field}` }
        assert.throws(() => newStorage({ retry: { [field]: value } }), refused, `${field} ${String(value)}`)
      }
    }
    assert.throws(() => newStorage({ retry: { jitter: 'maybe' } }), { option: 'retry.jitter' })
    assert.throws(() => newStorage({ retry: { preset: 'x' } }), { option: 'retry.preset' })
    assert.throws(() => newStorage({ retry: { timeoutGrowth: 0.5 } }), { option: 'retry.timeoutGrowth' })
    assert.throws(() => newStorage({ retryOptions: { maxAttempts: 0 } }), { option: 'retry.maxAttempts' })
  })

  test('list items, by their index', () => {
    assert.throws(() => newStorage({ allowedHosts: ['a.example', 5] }), { option: 'allowedHosts[1]' })
    assert.throws(() => newStorage({ caCertificates: [null] }), { option: 'caCertificates[0]' })
  })

  test('unknown options, with the likely one', () => {
    const likely = {
      endpoit: 'endpoint',
      publicUrl: 'domain',
      buckets: 'bucket',
      retrys: 'retry',
      MAXCONNECTIONS: 'maxConnections',
    }
    for (const [wrong, right] of Object.entries(likely)) {
      const message = new RegExp(`${wrong} is not an option; did you mean '${right}'\\?`)
      assert.throws(() => newStorage({ [wrong]: 'x' }), { code: 'ERR_INVALID_OPTION', option: wrong, message })
    }
    assert.throws(() => newStorage({ retry: { retries: 3 } }), {
      option: 'retry.retries',
      message: /did you mean 'maxAttempts'/,
    })
    assert.throws(() => newStorage({ forcePathStyle: true }), {
      message: /is not an option; there are endpoint, accountId, /,
    })
    assert.throws(() => newStorage({ rejectUnauthorized: false }), { option: 'rejectUnauthorized' })
    assert.throws(() => newStorage(JSON.parse('{"__proto__": {"bucket": "x"}}')), { option: '__proto__' })
    assert.throws(
      () => newStorage({ [`a\n${'x'.repeat(1e6)}`]: 1 }),
      (error) => error.message.length < 700 && !error.message.includes('\n'),
    )
    assert.equal({}.bucket, undefined)
  })

  test('two names of one option', () => {
    const names = {
      retry: 'retryOptions',
      accessKey: 'accessKeyId',
      secretKey: 'secretAccessKey',
      verifyIntegrity: 'verifyEtag',
      maxDownloadBytes: 'maxBytes',
      uploadConcurrency: 'concurrency',
    }
    const values = { retry: 'fast', verifyIntegrity: true, maxDownloadBytes: 1, uploadConcurrency: 1 }
    for (const [name, alias] of Object.entries(names)) {
      const value = values[name] ?? 'x'
      newStorage({ [alias]: value }).close()
      for (const both of [
        { [name]: value, [alias]: value },
        { [alias]: value, [name]: value },
      ]) {
        assert.throws(() => newStorage(both), {
          option: alias,
          message: new RegExp(`${alias} is another name of ${name}`),
        })
      }
    }
  })

  test('an R2 account instead of an endpoint', () => {
    const accountId = '0123456789abcdef0123456789abcdef'
    const made = (config) =>
      newStorage({ accessKeyId: 'a', secretAccessKey: 'b', bucket: 'pictures', ...config }).publicUrl({ key: 'k' })
    assert.equal(made({ accountId }), `https://${accountId}.r2.cloudflarestorage.com/pictures/k`)
    assert.equal(made({ accountId, jurisdiction: 'eu' }), `https://${accountId}.eu.r2.cloudflarestorage.com/pictures/k`)
    assert.equal(
      made({ endpoints: [{ accountId }, { accountId, bucket: 'spare' }] }),
      `https://${accountId}.r2.cloudflarestorage.com/pictures/k`,
    )
    assert.throws(() => newStorage({ accountId: 'abc' }), { option: 'accountId' })
    assert.throws(() => newStorage({ accountId, jurisdiction: 'mars' }), { option: 'jurisdiction', message: /eu/ })
    assert.throws(() => newStorage({ jurisdiction: 'eu' }), { option: 'jurisdiction' })
    assert.throws(() => newStorage({ accountId, endpoint: 'https://a.example' }), { option: 'accountId' })
    assert.throws(() => newStorage({ endpoints: [{ accountId: 'abc' }] }), { option: 'endpoints[0].accountId' })
  })
})

describe('a configuration is taken', () => {
  test('without an environment, and with nothing in its fields', () => {
    const blank = ''
    for (const config of [
      undefined,
      null,
      {},
      { bucket: null, retry: undefined },
      { endpoint: blank, accessKey: blank },
    ]) {
      assert.ok(newStorage(config) instanceof Storage)
    }
  })

  test('in any form of object', () => {
    class Config {
      get region() {
        return 'auto'
      }
    }
    const bare = Object.assign(Object.create(null), { region: 'auto' })
    for (const config of [Object.freeze({ region: 'auto' }), bare, new Config()]) newStorage(config)
  })

  test('with each preset by name, as an object, spread and changed', () => {
    for (const [name, preset] of Object.entries(RetryPresets)) {
      for (const retry of [name, preset, { ...preset }, { preset: name, maxAttempts: 2 }]) {
        newStorage({ retry })
        newStorage({ retryOptions: retry })
      }
    }
  })
})

test('what is missing is reported by the first call, by name', async () => {
  const saved = { ...process.env }
  for (const name of Object.keys(process.env)) if (name.startsWith('STORAGE_')) delete process.env[name]
  try {
    const complete = server.config
    for (const option of ['endpoint', 'accessKey', 'secretKey', 'bucket']) {
      const partial = newStorage({ ...complete, [option]: undefined })
      await assert.rejects(partial.uploadFile({ body, key }), {
        name: 'InputError',
        code: 'ERR_MISSING_OPTION',
        option,
      })
    }
    const nowhere = newStorage({
      ...complete,
      endpoint: undefined,
      endpoints: [{ endpoint: complete.endpoint }, { endpoint: undefined }],
    })
    await assert.rejects(nowhere.uploadFile({ body, key }), {
      code: 'ERR_MISSING_OPTION',
      option: 'endpoints[1].endpoint',
    })
    Object.assign(process.env, {
      R2_BUCKET: 'CANARYBUCKET',
      AWS_SECRET_ACCESS_KEY: 'CANARYSECRET',
      CLOUDFLARE_ACCOUNT_ID: 'CANARYACCOUNT',
      R2_ACCESS_KEY_ID: ' ',
    })
    await assert.rejects(newStorage().uploadFile({ body, key }), ({ message }) => {
      for (const variable of ['ENDPOINT', 'ACCESS_KEY', 'SECRET_KEY', 'BUCKET'])
        assert.ok(message.includes(`STORAGE_${variable}`), message)
      assert.match(message, /R2_BUCKET \(rename it to STORAGE_BUCKET\)/)
      assert.match(message, /AWS_SECRET_ACCESS_KEY \(rename it to STORAGE_SECRET_KEY\)/)
      assert.match(message, /STORAGE_ENDPOINT=https:\/\/<value of CLOUDFLARE_ACCOUNT_ID>\.r2\.cloudflarestorage\.com/)
      assert.doesNotMatch(message, /CANARY|R2_ACCESS_KEY_ID/)
      return true
    })
    const outcomes = await newStorage().uploadFiles([
      { body, key },
      { url: 'https://example.com/', key: 'b' },
    ])
    assert.deepEqual(
      outcomes.map(({ uploadError, error }) => [uploadError, error.code]),
      Array(2).fill([true, 'ERR_MISSING_OPTION']),
    )
  } finally {
    for (const name of Object.keys(process.env)) if (!(name in saved)) delete process.env[name]
    Object.assign(process.env, saved)
  }
})

describe('a call is refused by a rejection', () => {
  const refused = (options, code, option) => async () => {
    const promise = storage.uploadFile(options)
    assert.ok(promise instanceof Promise)
    await assert.rejects(promise, (error) => {
      assert.ok(error instanceof InputError, inspect(error))
      assert.deepEqual([error.code, error.option, error.operation], [code, option, 'uploadFile'])
      assert.ok(error.userMessage.length > 10)
      return true
    })
  }

  for (const options of [undefined, null, 42, 'x', []]) {
    test(`options ${inspect(options)}`, refused(options, 'ERR_INVALID_OPTION', 'options'))
  }
  const long = 'x'.repeat(1025)
  for (const wrong of [
    undefined,
    null,
    42,
    {},
    ['a'],
    Symbol('x'),
    '',
    long,
    '€'.repeat(342),
    'a\0b',
    'a\x1fb',
    'a\x7fb',
    '\ud800',
    '..',
    'a/../b',
    '/a',
  ]) {
    test(`key ${inspect(wrong).slice(0, 20)}`, refused({ body, key: wrong }, 'ERR_INVALID_KEY', 'key'))
  }
  const options = {
    bucket: [42, 'A_B'],
    contentType: [42, 'image', 'image/png\r\nX: y'],
    contentDisposition: [42, 'a\nb'],
    cacheControl: [{}, 'a\r\nb'],
    headers: [42, 'x', [], new Map(), new Headers()],
    metadata: [42, 'x', []],
    retry: [42, 'agressive', []],
    verifyIntegrity: ['x'],
    signal: [{}, 'x', { aborted: true }, new EventTarget()],
    onProgress: ['x', {}],
    onRetry: [1],
    storageClass: ['COLD', 42],
    ifNoneMatch: ['"etag"', 42],
    ifMatch: [42, 'a\nb', ''],
    contentLength: ['1', -1, 0.5, NaN],
    compress: ['zip', 42, ''],
    sha256: ['yes', 1],
    expires: [new Date(NaN), 'tomorrow', 42, new Date('-000001-01-01T00:00:00Z')],
    checkpoint: ['', 42, {}, { get() {}, set() {} }, 'a\0b'],
  }
  for (const [option, values] of Object.entries(options)) {
    for (const value of values) {
      test(
        `${option} ${inspect(value).slice(0, 30)}`,
        refused({ body, key, [option]: value }, 'ERR_INVALID_OPTION', option),
      )
    }
  }
  test('a message names the type that was given', async () => {
    for (const [name, value] of Object.entries({ 'an array': [], 'a number': 1, 'a string': 'x' })) {
      await assert.rejects(storage.uploadFile({ body, key, metadata: value }), { message: new RegExp(`not ${name}$`) })
    }
  })
  test('a metadata value', refused({ body, key, metadata: { a: 1 } }, 'ERR_INVALID_OPTION', 'metadata["a"]'))
  test(
    'a metadata line break',
    refused({ body, key, metadata: { a: 'b\r\nc' } }, 'ERR_INVALID_METADATA', 'metadata["a"]'),
  )
  test('a header of ours', refused({ body, key, headers: { Host: 'x' } }, 'ERR_INVALID_OPTION', 'headers["Host"]'))
  test('a number', refused({ body, key, retry: { timeout: NaN } }, 'ERR_INVALID_OPTION', 'retry.timeout'))
  test('an unknown option', refused({ body, key, contenttype: 'x' }, 'ERR_INVALID_OPTION', 'contenttype'))

  test('a getter that throws', async () => {
    const thrown = new Error('mine')
    await assert.rejects(
      storage.uploadFile({
        key,
        get body() {
          throw thrown
        },
      }),
      thrown,
    )
  })

  test('URLs', async () => {
    for (const url of [undefined, null, 42, {}, '', ' ', 'not a url', '/rel', 'http://', 'http://127.0\n.0.1/']) {
      await assert.rejects(
        storage.downloadAndUpload({ url, key }),
        { name: 'InputError', code: 'ERR_INVALID_URL', option: 'url' },
        String(url),
      )
    }
  })

  test('a method without its storage', async () => {
    for (const method of ['uploadFile', 'downloadAndUpload', 'uploadFiles']) {
      const detached = storage[method]
      await assert.rejects(detached({ body, key }), { name: 'TypeError', message: new RegExp(`storage\\.${method}`) })
      await assert.rejects(detached.call({}, { body, key }), TypeError)
    }
    const { close } = storage
    assert.throws(() => close(), TypeError)
  })

  test('arguments of uploadFiles, but not its items', async () => {
    for (const items of [undefined, null, 42, 'x', {}, { 0: {} }]) {
      await assert.rejects(storage.uploadFiles(items), { code: 'ERR_INVALID_OPTION', option: 'items' })
    }
    for (const concurrency of [0, -1, 1.5, NaN, Infinity, '4', 1e6]) {
      const refusal = { code: 'ERR_INVALID_OPTION', option: 'concurrency', operation: 'uploadFiles' }
      await assert.rejects(storage.uploadFiles([], { concurrency }), refusal)
    }
    const outcomes = await storage.uploadFiles([null, 42, {}, { key }, { key: 1, body }, { key, body, url: 'x' }])
    assert.ok(
      outcomes.every(
        ({ uploadError, error, errorMessage }) => uploadError && error instanceof InputError && errorMessage,
      ),
    )
    assert.deepEqual(await storage.uploadFiles([]), [])
  })

  test('options of retryWithBackoff', async () => {
    const fn = () => assert.fail('called')
    await assert.rejects(retryWithBackoff(undefined), { code: 'ERR_INVALID_OPTION', option: 'fn' })
    await assert.rejects(retryWithBackoff(fn, 'agressive'), { option: 'retry', message: /did you mean 'aggressive'/ })
    await assert.rejects(retryWithBackoff(fn, { maxAttempts: 0 }), { option: 'retry.maxAttempts' })
    await assert.rejects(retryWithBackoff(fn, { maxAttempt: 1 }), {
      option: 'retry.maxAttempt',
      message: /did you mean 'maxAttempts'/,
    })
    await assert.rejects(retryWithBackoff(fn, { signal: {} }), { option: 'retry.signal' })
  })
})

test('headers of a source are checked before it is asked', async () => {
  for (const [name, value] of [
    ['X A', 'CANARY'],
    ['x-a', 'CANARY\r\nhost: x'],
    ['', 'CANARY'],
  ]) {
    const call = storage.downloadAndUpload({ url: 'https://example.com/a.png', key, sourceHeaders: { [name]: value } })
    await assert.rejects(call, (error) => {
      assert.deepEqual([error.name, error.option, error.attempts], ['InputError', `sourceHeaders["${name}"]`, 0])
      assert.doesNotMatch(inspect(error), /CANARY/)
      return true
    })
  }
})

test('a body of another length than it was said to have is refused', async () => {
  const other = { name: 'InputError', code: 'ERR_INVALID_BODY', message: /3 bytes, not the 4 of contentLength/ }
  await assert.rejects(storage.uploadFile({ body: 'abc', key, contentLength: 4 }), other)
  for (const contentLength of [-1, 1.5, NaN, Infinity]) {
    const wrong = { name: 'InputError', option: 'contentLength' }
    await assert.rejects(storage.uploadFile({ body: new Blob(['abc']).stream(), key, contentLength }), wrong)
  }
})

test('a body of more than maxBytes is refused, in whatever form it comes', async () => {
  const large = {
    name: 'InputError',
    code: 'ERR_TOO_LARGE',
    option: 'maxBytes',
    message: /more than maxBytes \(3 bytes\)/,
  }
  const four = 'four'
  const bodies = {
    string: four,
    Blob: new Blob([four]),
    stream: new Blob([four]).stream(),
    Response: new Response(four),
    'with a length': new Response(four, { headers: { 'content-length': '4' } }),
    file: fromFile(__filename),
  }
  for (const [name, wrong] of Object.entries(bodies)) {
    await assert.rejects(storage.uploadFile({ body: wrong, key, maxBytes: 3 }), large, name)
  }
  for (const maxBytes of [-1, 1.5, NaN, '3']) {
    await assert.rejects(storage.uploadFile({ body, key, maxBytes }), { name: 'InputError', option: 'maxBytes' })
  }
})

describe('a body is refused with a hint', () => {
  const detached = new ArrayBuffer(8)
  const views = [new Uint8Array(detached), new DataView(detached), detached]
  structuredClone(detached, { transfer: [detached] })
  const shrunken = new ArrayBuffer(8, { maxByteLength: 8 })
  const outside = new Uint8Array(shrunken, 4, 4)
  shrunken.resize(2)
  const locked = new Blob(['x']).stream()
  locked.getReader()
  const begun = new Blob(['x']).stream()
  const reader = begun.getReader()
  reader.read().catch(() => {})
  reader.releaseLock()
  const used = new Response('x')
  used.arrayBuffer()
  const ended = Readable.from([])
  ended.destroy()
  class LyingBlob extends Blob {
    get size() {
      return 5
    }
  }
  const table = [
    [undefined, /missing/],
    [null, /missing/],
    [42, /a number/],
    [true, /a boolean/],
    [Symbol('x'), /a symbol/],
    [10n, /a bigint/],
    [() => {}, /a function/],
    [{}, /JSON\.stringify/],
    [new Date(), /a Date/],
    [[1, 2], /Uint8Array\.from/],
    [Promise.resolve(body), /did you forget 'await'/],
    [new FormData(), /formData\.get/],
    [locked, /locked/],
    [begun, /read from already/],
    [used, /read already/],
    [new Response('<Error>expired</Error>', { status: 403 }), /status 403.*downloadAndUpload/],
    [Response.error(), /status 0/],
    [ended, /ended already/],
    [new URL('https://example.com/a.png'), /downloadAndUpload/],
    [fromFile(join(__dirname, 'no such file')), /cannot be sent.*no such file$/],
    [fromFile(__dirname), /not a file/],
    [{ path: __filename }, /pass fromFile\(path\)/],
    [JSON.parse(JSON.stringify({ path: __filename, name: 'a' })), /names no file/],
    [structuredClone(fromFile(__filename)), /JSON\.stringify/],
    [JSON.parse(JSON.stringify(fromFile(__filename))), /JSON\.stringify/],
    [{ protocol: 'file:', href: `file://${__filename}`, pathname: __filename }, /JSON\.stringify/],
    [Object.assign(Object.create({ path: __filename }), { size: 1, type: 'a' }), /an object/],
    [
      (async function* () {
        yield 42
      })(),
      /a chunk that is of type number/,
    ],
    [Readable.from([{}]), /a chunk that is of type object/],
    ['\ud800', /surrogate/],
    ...views.map((view) => [view, /detached/]),
    [outside, /shrunken/],
    [new LyingBlob(['x']), /5 bytes of which 1/],
  ]
  for (const [index, [wrong, message]] of table.entries()) {
    test(`row ${index}: ${message.source}`, async () => {
      const expected = { name: 'InputError', code: 'ERR_INVALID_BODY', option: 'body', message }
      await assert.rejects(storage.uploadFile({ body: wrong, key }), expected)
    })
  }
})

test('fromFile takes a path or a file: URL, and nothing else', () => {
  const invalid = (message) => ({
    name: 'InputError',
    code: 'ERR_INVALID_BODY',
    option: 'path',
    operation: 'fromFile',
    message,
  })
  for (const wrong of [undefined, null, 1, {}, { path: __filename }, [__filename], new URL('https://example.com/a')]) {
    assert.throws(() => fromFile(wrong), invalid(/must be a string or a file: URL/))
  }
  for (const wrong of ['', 'a\0b', '\ud800']) assert.throws(() => fromFile(wrong), invalid(/the path is invalid/))
  assert.throws(() => fromFile(new URL('file:///a%2fb')), invalid(/names no file/))
  assert.ok(Object.isFrozen(fromFile('a')))
})
