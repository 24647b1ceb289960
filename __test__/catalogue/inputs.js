'use strict'

// O, K-I, BI, UI, MI: input that is wrong, and input that only looks so. What is wrong is refused before anything is
// sent: no attempt, no request.

const { Readable } = require('node:stream')
const vm = require('node:vm')
const { fromFile } = require('../../index.js')

const name = (value) => {
  if (typeof value === 'string' && value.length > 40) return `a string of ${value.length}`
  try {
    return require('node:util').inspect(value, { depth: 0, breakLength: Infinity }).slice(0, 50)
  } catch {
    return typeof value
  }
}

const nothingSent = async (context, outcome, assert) => {
  const { events } = await context.control('GET', '/events')
  // Requests of earlier cases, which met faults, may still be reported.
  assert.deepEqual(
    events.filter((event) => event.action === 'forward'),
    [],
  )
}

/** A configuration that is refused at once. */
const config = (option, values, more) =>
  values.map((value) => ({
    name: name(value),
    storage: () => (option === undefined ? value : { [option]: value }),
    expect: {
      code: 'ERR_INVALID_OPTION',
      category: 'input',
      retryable: false,
      attempts: 0,
      ...(option && { option }),
      ...more,
    },
    check: nothingSent,
  }))

/** A call that is refused by a rejection. */
const call = (option, values, code, more) =>
  values.map((value) => ({
    name: name(value),
    call: (context, given) =>
      context.storage.uploadFile({ body: 'x', ...given, ...(option ? { [option]: value } : value) }),
    expect: { code, category: 'input', retryable: false, attempts: 0, ...more },
    check: nothingSent,
  }))

/** One that looks odd and is stored. */
const taken = (values, make) =>
  values.map((value) => ({
    name: name(value),
    call: (context, given) => context.storage.uploadFile({ body: context.body, ...given, ...make(value) }),
    expect: { ok: true, attempts: 1, stored: 'any' },
  }))

/** A key that is stored under exactly its name, as another reader sees it. */
const keysTaken = (keys) =>
  keys.map((key) => ({
    name: name(key),
    call: async (context, given) => {
      const result = await context.storage.uploadFile({ body: context.body, ...given, key })
      const read = await context.storage.download({ key })
      const bytes = Buffer.concat(await collect(read.body))
      const listed = []
      for await (const object of context.storage.list({ prefix: [...key][0] })) listed.push(object.key)
      await context.storage.delete({ key })
      return {
        attempts: result.attempts,
        key: result.key,
        same: bytes.equals(context.body),
        listed: listed.includes(key),
      }
    },
    expect: { ok: true, attempts: 1, stored: 'any' },
    check: (context, { value }, assert) => assert.deepEqual(value, { attempts: 1, key, same: true, listed: true }),
  }))

async function collect(body) {
  const pieces = []
  for await (const piece of body) pieces.push(piece)
  return pieces
}

const odd = [0, -1, 1.5, NaN, Infinity, '3', 3n, true, {}]
const OPTION = 'ERR_INVALID_OPTION'
const retry = (values) =>
  values.flatMap((value) => config('retry', [value], { option: `retry.${Object.keys(value)[0]}` }))
const each = (option, values) => values.map((value) => ({ [option]: value }))
const covered = (test) => ({ covered: { file: '__test__/facade/bad-input.test.js', test } })
const ID = '0123456789abcdef0123456789abcdef'

const rows = [
  { id: 'O-01', what: 'Options that are none', ...covered('list items, by their index') },
  {
    id: 'O-02',
    what: 'Account ids that are none',
    cases: config(
      'endpoint',
      ['short', '../x', 'g'.repeat(32), `${ID}0`].map((id) => `https://${id}.r2.cloudflarestorage.com`),
    ),
  },
  {
    id: 'O-05',
    what: 'An account id that is one',
    cases: [
      {
        storage: () => ({ endpoint: `https://${ID}.r2.cloudflarestorage.com` }),
        call: () => 'made',
        expect: { ok: true, stored: 'any' },
      },
    ],
  },
  {
    id: 'O-06',
    what: 'Line breaks in the endpoint',
    cases: config('endpoint', [`https://${ID}\r\nX: y`, 'https://h\n', 'https://h\0']),
  },
  {
    id: 'O-07',
    what: 'An endpoint without encryption',
    cases: config('endpoint', ['http://example.com', 'http://10.0.0.1', `http://${ID}.r2.cloudflarestorage.com`]),
  },
  {
    id: 'O-08',
    what: 'A password in the endpoint',
    cases: config('endpoint', ['https://user:CANARY@host', 'https://CANARY@host']),
  },
  {
    id: 'O-09',
    what: 'A path, a query or a fragment in the endpoint',
    cases: config('endpoint', ['https://h/x/y', 'https://h?CANARY', 'https://h#z', 'https://h/x?y#z']),
  },
  {
    id: 'O-10',
    what: 'Endpoints that are none',
    cases: config('endpoint', [
      'ftp://h',
      'h:9000',
      '//h',
      'https://',
      `https://${'h'.repeat(10_000)}`,
      42,
      {},
      'https://h:0',
    ]),
  },
  {
    id: 'O-11',
    what: "A bucket in the endpoint's host and in its path",
    cases: config('endpoint', [
      `https://pictures.${ID}.r2.cloudflarestorage.com/other`,
      `https://${ID}.r2.cloudflarestorage.com/a/b`,
      'https://pub-1.r2.dev',
    ]),
  },
  { id: 'O-12', what: 'Access keys that are none', cases: config('accessKey', ['AKIA\n', 'A B', 42, {}, '\ud800']) },
  {
    id: 'O-13',
    what: 'Secret keys that are none',
    cases: config('secretKey', [' CANARY', 'CANARY ', 'CANARY\n', 42, {}]),
  },
  {
    id: 'O-14',
    what: 'Session tokens with line breaks',
    cases: config('sessionToken', ['CANARY\r\nX: y', 'CANARY\0', 42]),
  },
  {
    id: 'O-15',
    what: 'Bucket names that are none',
    cases: config('bucket', ['ab', 'x'.repeat(64), 'UPPER', 'a_b', '-ab', 'ab-', 'a..b', 'a/b', '../x', 42]),
  },
  { id: 'O-16', what: 'Regions that are none', cases: config('region', [123, 'us east']) },
  { id: 'O-17', what: 'Numbers of attempts that are none', cases: retry(each('maxAttempts', [...odd, 101])) },
  {
    id: 'O-18',
    what: 'Waits that are none',
    cases: [
      ...retry(each('initialDelayMs', [-1, NaN, Infinity, 2 ** 53, '5'])),
      ...config('retry', [{ initialDelayMs: 100, maxDelayMs: 50 }], { option: 'retry.initialDelayMs' }),
    ],
  },
  {
    id: 'O-19',
    what: 'Times that are none',
    cases: [
      ...retry(each('timeout', [...odd, 2 ** 31, '5s'])),
      ...retry(each('deadlineMs', [...odd, 2 ** 31])),
      ...config('connectTimeoutMs', [0, -1, NaN, 2 ** 31]),
      ...config('stallTimeoutMs', [0, -1, NaN, 2 ** 31]),
    ],
  },
  { id: 'O-20', what: 'Jitters that are none', cases: retry(each('jitter', [2, 'maybe', true])) },
  {
    id: 'O-21',
    what: 'Sizes of parts that are none',
    cases: config('partSizeBytes', [0, 5 * 1024 ** 2 - 1, 5 * 1024 ** 3 + 1, 5_500_000.5, '8MB']),
  },
  {
    id: 'O-22',
    what: 'Thresholds that are none',
    cases: config('multipartThresholdBytes', [-1, 0, 5 * 1024 ** 3 + 1, NaN]),
  },
  {
    id: 'O-23',
    what: 'Concurrency that is none',
    cases: [...config('uploadConcurrency', [...odd, 1e6]), ...config('partConcurrency', [...odd, 17])],
  },
  {
    id: 'O-24',
    what: 'Limits of size that are none',
    cases: config('maxDownloadBytes', [-1, NaN, 2 ** 53 + 1, '1GB']),
  },
  { id: 'O-25', what: 'Options of the breaker', impossible: 'it has none' },
  {
    id: 'O-26',
    what: 'Lists of endpoints that are none',
    cases: config('endpoints', [[], 42, {}, 'x', Array(9).fill({ endpoint: 'https://a.example' })], {
      option: 'endpoints',
    }).map((test) => ({
      ...test,
      storage: (context) => ({ endpoint: undefined, bucket: undefined, ...test.storage(context) }),
    })),
  },
  { id: 'O-27', what: 'Options of a queue on disk', impossible: 'there is no queue on disk' },
  {
    id: 'O-29',
    what: 'Certificates that are none',
    cases: [
      'PEM',
      '-----BEGIN CERTIFICATE-----\nCANARY\n-----END CERTIFICATE-----',
      '-----BEGIN PRIVATE KEY-----\nCANARY\n-----END PRIVATE KEY-----',
    ].map((pem) => ({
      name: name(pem),
      storage: () => ({ caCertificates: [pem] }),
      call: (context, given) => context.storage.uploadFile({ body: 'x', ...given }),
      expect: { code: OPTION, category: 'input', attempts: 0 },
    })),
  },
  {
    id: 'O-30',
    what: 'TLS without checks, old TLS, proxies: there are no such options',
    cases: [
      ...config('tls', [{ rejectUnauthorized: false }]),
      ...config('rejectUnauthorized', [false]),
      ...config('minVersion', ['TLSv1']),
      ...config('proxy', ['socks5://h']),
    ],
  },
  {
    id: 'O-33',
    what: 'Loggers that are none, or throw',
    cases: [
      ...config('logger', [true, 'console', 42, { warn: 'x' }]),
      {
        name: 'throws',
        faults: [{ fault: 'reset', times: 1 }],
        storage: () => ({
          logger: {
            warn() {
              throw new Error('mine')
            },
            error() {
              throw new Error('mine')
            },
            debug() {
              throw new Error('mine')
            },
          },
        }),
        expect: { ok: true, attempts: 2, warnings: /mine/ },
      },
      {
        name: 'rejects',
        faults: [{ fault: 'reset', times: 1 }],
        storage: () => ({
          logger: {
            async warn() {
              throw new Error('mine')
            },
          },
        }),
        expect: { ok: true, attempts: 2, warnings: /mine/ },
      },
    ],
  },
  {
    id: 'O-34',
    what: "Keys that are none of an object's own: no pollution",
    cases: [
      ...config(undefined, [JSON.parse('{"constructor": 1}'), JSON.parse('{"toString": 1}')], {}),
      ...config(undefined, [JSON.parse('{"__proto__": {"bucket": "polluted-bucket"}}')]),
    ],
  },
  {
    id: 'O-35',
    what: 'Options that are misspelt, with the likely one',
    cases: config(undefined, [{ bukcet: 'abc' }, { secretkey: 'CANARY' }, { retries: 3 }], {
      message: /is not an option/,
    }),
  },
  { id: 'O-36', what: 'Frozen objects, objects without a prototype, instances', ...covered('in any form of object') },
  {
    id: 'O-37',
    what: 'A megabyte in an option',
    cases: ['endpoint', 'bucket', 'accessKey', 'region', 'domain']
      .flatMap((option) =>
        config(option, [
          option === 'endpoint' || option === 'domain' ? `https://${'a'.repeat(1_000_000)}` : 'a'.repeat(1_000_000),
        ]).map((test) => ({
          ...test,
          name: option,
          call: (context, given) => context.storage.uploadFile({ body: 'x', ...given }),
        })),
      )
      .map((test) => ({ ...test, expect: { ...test.expect, option: undefined } }))
      .map(({ expect: { option, ...expect }, ...test }) => ({ ...test, expect })),
  },
  {
    id: 'O-38',
    what: 'An environment with half of the keys',
    covered: {
      file: '__test__/facade/bad-input.test.js',
      test: 'what is missing is reported by the first call, by name',
    },
  },
  {
    id: 'K-I01',
    what: 'Keys that are none',
    cases: call('key', ['', undefined, null, 42, Symbol('x'), {}, ['a'], { toString: () => 'a' }], 'ERR_INVALID_KEY', {
      option: 'key',
    }),
  },
  {
    id: 'K-I02',
    what: 'Keys of 1024 bytes and of more',
    cases: [
      ...call('key', ['x'.repeat(1025), '€'.repeat(342)], 'ERR_INVALID_KEY'),
      {
        name: '1024 bytes',
        faults: [{ fault: 'pretend' }],
        options: { key: `a/${'€'.repeat(340)}bc` },
        expect: { ok: true, attempts: 1, stored: 'any', requests: false },
      },
    ],
  },
  {
    id: 'K-I03',
    what: 'Control characters in keys',
    cases: call('key', ['a\0b', 'a\x01b', 'a\x1fb', 'a\x7fb', 'a\u0085b', 'a\u2028b'], 'ERR_INVALID_KEY'),
  },
  { id: 'K-I04', what: 'A slash in front', cases: call('key', ['/a', '//a'], 'ERR_INVALID_KEY') },
  {
    id: 'K-I05',
    what: 'Segments that lead elsewhere',
    cases: call('key', ['..', '.', 'a/../b', 'a/./b', '../../etc/passwd', 'a/..'], 'ERR_INVALID_KEY'),
  },
  { id: 'K-I06', what: 'Empty segments', cases: call('key', ['a//b', 'a/'], 'ERR_INVALID_KEY') },
  { id: 'K-I07', what: 'Backslashes', cases: call('key', ['a\\b', 'C:\\x'], 'ERR_INVALID_KEY') },
  {
    id: 'K-I08',
    what: 'What looks encoded is stored as it stands',
    cases: keysTaken(['%2e%2e', '%00', 'a%2Fb', 'a%20b', '100%']),
  },
  { id: 'K-I09', what: 'Half of a character', cases: call('key', ['\ud800', 'a\udc00b'], 'ERR_INVALID_KEY') },
  { id: 'K-I10', what: 'One letter in two spellings is two keys', cases: keysTaken(['\u00e9.png', 'e\u0301.png']) },
  {
    id: 'K-I11',
    what: 'Characters that signatures and URLs treat in their own way',
    cases: keysTaken([
      'a?a=b',
      'a#b',
      'a b',
      'a+b',
      'a&b=c',
      "a'b",
      'a*b',
      'a:b',
      'a;b',
      'a@b',
      '~',
      '!()',
      'a,b',
      '$',
      'a=b',
      '[a]',
      '{a}',
      '|',
      '^',
      '`',
      '"',
      '<a>',
    ]),
  },
  {
    id: 'K-I12',
    what: 'Emoji, invisible characters, other directions',
    cases: keysTaken(['\u{1f600}.png', 'a\u202eb', 'a\u200bb', '\ufeffa', '漢字', 'ไทย', 'عربى']),
  },
  {
    id: 'K-I13',
    what: 'Names that other programs find special',
    cases: keysTaken([
      'soap',
      'index.html',
      'con',
      'nul.txt',
      '-rf',
      '~root',
      '$HOME',
      '`id`',
      '${x}',
      '{{x}}',
      '%s%n',
      'null',
      'undefined',
      'NaN',
      '__proto__',
      'constructor',
    ]),
  },
  {
    id: 'K-I14',
    what: 'Naughty strings',
    cases: keysTaken([
      '<script>alert(1)</script>'.replaceAll('/', '-'),
      "' OR 1=1 --",
      '() { :;}; x',
      'Ω≈ç√∫˜µ≤',
      '田中さん',
      '̡͓̞ͅI̗c҉',
      'ﷺ',
      '𝕳',
      'DROP TABLE x;',
      '1;e',
      'a\u00a0b',
      'ﾟ･ﾟ',
    ]),
  },
  {
    id: 'K-I15',
    what: 'A key made of what somebody typed',
    impossible: "a key is the caller's; `..`, empty segments and slashes at its ends are refused: K-I04 to K-I06",
  },
  {
    id: 'K-I16',
    what: 'A key whose ending is not its type',
    impossible: 'the type comes from the first bytes, before the ending: X-01',
  },
  {
    id: 'BI-01',
    what: 'Bodies that are none',
    cases: call(
      'body',
      [undefined, null, 1, true, Symbol('x'), {}, new Date(0), () => {}, Promise.resolve('x'), [1, 2], /x/, new Map()],
      'ERR_INVALID_BODY',
      { option: 'body' },
    ),
  },
  {
    id: 'BI-02',
    what: 'Bodies without a byte',
    cases: taken(['', Buffer.alloc(0), new Uint8Array(0), new Blob([])], (body) => ({ body })),
  },
  {
    id: 'BI-03',
    what: 'Strings: UTF-8; half of a character',
    cases: [
      {
        body: Buffer.from('ä€😀'),
        call: (context, given) => context.storage.uploadFile({ ...given, body: 'ä€😀' }),
        expect: { ok: true, attempts: 1 },
      },
    ],
  },
  {
    id: 'BI-04',
    what: 'Memory that was given away',
    ...covered('a body of another length than it was said to have is refused'),
  },
  {
    id: 'BI-05',
    what: 'Views of a part of the memory',
    cases: [
      (bytes) => bytes.subarray(100, 200),
      (bytes) => new DataView(bytes.buffer, bytes.byteOffset + 8, 80),
      (bytes) => new Float64Array(Uint8Array.from(bytes.subarray(0, 800)).buffer, 8, 5),
      (bytes) => new (class Mine extends Uint8Array {})(Uint8Array.from(bytes).buffer, 3, 30),
      (bytes) => vm.runInNewContext('new Uint8Array([1, 2, 3])', { bytes }),
    ].map((make) => ({
      name: String(make).slice(11, 50),
      call: (context, given) => {
        context.view = make(context.body)
        return context.storage.uploadFile({ ...given, body: context.view })
      },
      expect: { ok: true, attempts: 1, stored: 'any' },
      check: ({ lab, key, view }, outcome, assert) =>
        assert.deepEqual(lab.stored(key), Buffer.from(view.buffer, view.byteOffset, view.byteLength)),
    })),
  },
  {
    id: 'BI-06',
    what: 'Shared and resizable memory',
    covered: {
      file: '__test__/faults/scenarios.test.js',
      test: 'what happens to a buffer after the call changes nothing stored',
    },
  },
  {
    id: 'BI-07',
    what: 'Node streams that have ended, broke, or give objects',
    cases: [
      ['destroyed', () => Readable.from([]).destroy()],
      ['objects', () => Readable.from([{ a: 1 }, 2])],
      [
        'errored',
        () =>
          new Readable({
            read() {
              this.destroy(new Error('mine'))
            },
          }),
      ],
    ].map(([label, make]) => ({
      name: label,
      call: (context, given) => context.storage.uploadFile({ ...given, body: make() }),
      expect: { code: ['ERR_INVALID_BODY', 'ERR_SOURCE_FAILED'], retryable: false },
    })),
  },
  {
    id: 'BI-08',
    what: 'Web streams that are locked, break, or give no bytes',
    cases: [
      [
        'locked',
        () => {
          const stream = new Blob(['x']).stream()
          stream.getReader()
          return stream
        },
      ],
      ['errors', () => new ReadableStream({ start: (controller) => controller.error(new Error('mine')) })],
      [
        'objects',
        () =>
          new ReadableStream({
            start: (controller) => {
              controller.enqueue({ a: 1 })
              controller.close()
            },
          }),
      ],
    ].map(([label, make]) => ({
      name: label,
      call: (context, given) => context.storage.uploadFile({ ...given, body: make() }),
      expect: { code: ['ERR_INVALID_BODY', 'ERR_SOURCE_FAILED'], retryable: false },
    })),
  },
  {
    id: 'BI-09',
    what: 'Iterators that throw or give no bytes',
    cases: [
      [
        'throws',
        async function* () {
          yield Buffer.alloc(10)
          throw new Error('mine')
        },
      ],
      [
        'objects',
        async function* () {
          yield { a: 1 }
        },
      ],
      [
        'numbers',
        async function* () {
          yield 7
        },
      ],
    ].map(([label, make]) => ({
      name: label,
      call: (context, given) => context.storage.uploadFile({ ...given, body: make() }),
      expect: { code: ['ERR_INVALID_BODY', 'ERR_SOURCE_FAILED'], retryable: false },
    })),
  },
  {
    id: 'BI-10',
    what: 'A Blob that lies about its size',
    cases: call(
      'body',
      [
        new (class Lying extends Blob {
          get size() {
            return 5
          }
        })(['x']),
      ],
      'ERR_INVALID_BODY',
    ).map((test) => ({ ...test, expect: { ...test.expect, category: test.expect.category } })),
  },
  {
    id: 'BI-11',
    what: 'Lengths that are none, or others',
    cases: [...call('contentLength', [-1, NaN, 1.5, '10'], OPTION), ...call('contentLength', [2], 'ERR_INVALID_BODY')],
  },
  {
    id: 'BI-12',
    what: 'Files that are none: missing, a folder, a pipe, a device',
    cases: ['/nowhere/at/all', '/tmp', '/dev/zero', '/proc/self/mem', 'a\0b'].map((path) => ({
      name: name(path),
      call: async (context, given) => context.storage.uploadFile({ ...given, body: fromFile(path) }),
      expect: { code: ['ERR_INVALID_BODY', 'ERR_SOURCE_FAILED', 'ENOENT', 'EISDIR', OPTION], retryable: false },
    })),
  },
  {
    id: 'BI-13',
    what: 'More bytes than a limit',
    impossible: "what a caller uploads has no limit but R2's; `maxBytes` is of `downloadAndUpload`: G-13",
  },
  {
    id: 'BI-14',
    what: 'Forms in place of files',
    cases: call('body', [new FormData(), new URLSearchParams('a=b'), new Headers()], 'ERR_INVALID_BODY'),
  },
  {
    id: 'BI-15',
    what: 'A `data:` URL as a body is stored as the text that it is',
    cases: taken(['data:image/png;base64,AAAA'], (body) => ({ body })),
  },
  {
    id: 'BI-16',
    what: 'One stream for two uploads: the second is refused',
    cases: [
      {
        call: async (context, given) => {
          const body = new Blob([context.body]).stream()
          const first = context.storage.uploadFile({ ...given, body })
          const second = context.storage.uploadFile({ ...given, key: `${given.key}2`, body }).then(
            () => 'stored',
            (error) => error.code,
          )
          context.second = await second
          return first
        },
        expect: { ok: true, attempts: 1 },
        check: ({ second }, outcome, assert) => assert.equal(second, 'ERR_INVALID_BODY'),
      },
    ],
  },
  {
    id: 'BI-17',
    what: 'More than two gigabytes of memory',
    open: 'needs three gigabytes that CI has not; lengths are 64 bits wide all the way, and files of any size are read in parts',
  },
  {
    id: 'MI-01',
    what: 'Line breaks in metadata values',
    cases: ['b\r\nc', 'b\nc', 'b\0c', 'b\x01c'].flatMap((value) =>
      call(undefined, [{ metadata: { a: value } }], 'ERR_INVALID_METADATA').map((test) => ({
        ...test,
        name: name(value),
      })),
    ),
  },
  {
    id: 'MI-02',
    what: 'Metadata names that are none',
    cases: ['a b', 'a:b', 'a\r', '', 'ä', 'a/b', 'a(b)'].flatMap((key) =>
      call(undefined, [{ metadata: { [key]: 'x' } }], ['ERR_INVALID_METADATA', OPTION]).map((test) => ({
        ...test,
        name: name(key),
      })),
    ),
  },
  {
    id: 'MI-03',
    what: 'A metadata name with the prefix that headers give it: the prefix is dropped',
    cases: taken(['x-amz-meta-foo'], (key) => ({ metadata: { [key]: 'x' } })).map((test) => ({
      ...test,
      check: async ({ storage, key }, outcome, assert) =>
        assert.deepEqual((await storage.head({ key })).metadata, { foo: 'x' }),
    })),
  },
  {
    id: 'MI-04',
    what: 'Names that are one in lower case',
    cases: call(undefined, [{ metadata: { Aa: '1', aA: '2' } }], ['ERR_INVALID_METADATA', OPTION]),
  },
  {
    id: 'MI-05',
    what: 'Headers that are ours to set',
    cases: [
      'content-length',
      'Host',
      'authorization',
      'x-amz-date',
      'x-amz-content-sha256',
      'transfer-encoding',
      'connection',
      'expect',
      'x-amz-security-token',
    ].flatMap((header) =>
      call(undefined, [{ headers: { [header]: 'x' } }], OPTION).map((test) => ({ ...test, name: header })),
    ),
  },
  {
    id: 'MI-06',
    what: '8192 bytes of metadata, and one more',
    cases: [
      ...call(
        undefined,
        [
          { metadata: { a: 'x'.repeat(8192) } },
          { metadata: Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`k${n}`, 'xxxxx'])) },
        ],
        ['ERR_INVALID_METADATA', OPTION],
      ),
      ...taken([8000], (bytes) => ({ metadata: { a: 'x'.repeat(bytes) } })),
    ],
  },
  {
    id: 'MI-07',
    what: 'Metadata that is not ASCII',
    cases: taken(['café', '😀', '漢字'], (value) => ({ metadata: { a: value } })).map((test) => ({
      ...test,
      expect: { ok: true, attempts: 1, stored: 'any' },
      check: async ({ storage, key }, outcome, assert) => {
        const { metadata } = await storage.head({ key })
        assert.equal(metadata.a, test.name.slice(1, -1))
      },
    })),
  },
  {
    id: 'MI-08',
    what: 'Spaces that signatures fold',
    cases: taken([' a', 'a ', 'a  b'], (value) => ({ metadata: { a: value } })),
  },
  {
    id: 'MI-09',
    what: 'Metadata values that are no strings',
    cases: [1, null, undefined, [], {}].flatMap((value) =>
      call(undefined, [{ metadata: { a: value } }], [OPTION, 'ERR_INVALID_METADATA']).map((test) => ({
        ...test,
        name: name(value),
      })),
    ),
  },
  {
    id: 'MI-10',
    what: "Metadata by the names of an object's own",
    cases: taken([JSON.parse('{"__proto__": "a", "constructor": "b", "toString": "c"}')], (metadata) => ({
      metadata,
    })).map((test) => ({ ...test, name: '__proto__, constructor' })),
  },
  {
    id: 'MI-11',
    what: 'Content types that are none',
    cases: call('contentType', ['image', 'image/png\r\nX: y', 42, `image/${'x'.repeat(5000)}`], OPTION),
  },
  {
    id: 'MI-12',
    what: 'Line breaks in headers',
    cases: [
      { cacheControl: 'a\r\nb' },
      { disposition: 'a\nb' },
      { headers: { 'content-encoding': 'a\r\nb' } },
      { headers: { 'content-language': 'a\nb' } },
    ].flatMap((options) => call(undefined, [options], [OPTION, 'ERR_INVALID_METADATA'])),
  },
  {
    id: 'MI-13',
    what: 'File names in a disposition',
    cases: taken(
      ['attachment; filename="a b.png"', "attachment; filename*=UTF-8''%C3%A9.png", 'inline'],
      (disposition) => ({ disposition }),
    ),
  },
  { id: 'MI-14', what: 'Dates that are none', cases: call('expires', [new Date(NaN), 'tomorrow', 42], OPTION) },
  {
    id: 'MI-15',
    what: 'Two conditions at once; an ETag without quotes',
    cases: [
      ...call(undefined, [{ ifMatch: '"a"', ifNoneMatch: '*' }], OPTION),
      ...call('ifNoneMatch', ['"etag"', 42], OPTION),
    ],
  },
  {
    id: 'MI-16',
    what: "Checksums of the caller's",
    impossible: 'there is no such option: bytes are summed here, and `sha256` gives the sum of what was stored',
  },
  {
    id: 'MI-18',
    what: 'Signals that are none',
    cases: [
      ...call('signal', [{}, 'x', { aborted: true }, new EventTarget()], OPTION),
      ...taken([new AbortController().signal], (signal) => ({ signal })),
    ],
  },
  {
    id: 'MI-19',
    what: 'Callbacks that are none, throw, reject, or close the storage',
    cases: [
      ...call('onProgress', ['x', {}], OPTION),
      {
        name: 'throws',
        call: (context, given) =>
          context.storage.uploadFile({
            body: context.body,
            ...given,
            onProgress() {
              throw new Error('mine')
            },
          }),
        expect: { ok: true, attempts: 1, warnings: /mine/ },
      },
      {
        name: 'rejects',
        call: (context, given) =>
          context.storage.uploadFile({
            body: context.body,
            ...given,
            async onProgress() {
              throw new Error('mine')
            },
          }),
        expect: { ok: true, attempts: 1, warnings: /mine/ },
      },
      {
        name: 'closes',
        faults: [{ fault: 'reset' }],
        onRetry: (event, context) => context.storage.close(),
        expect: { code: 'ERR_CLOSED', category: 'aborted', requests: false },
      },
    ],
  },
  {
    id: 'MI-20',
    what: 'What R2 has not: tags, access lists, encryption',
    cases: [{ tags: {} }, { acl: 'public-read' }, { sse: 'AES256' }, { storageClass: 'GLACIER' }].flatMap((options) =>
      call(undefined, [options], OPTION).map((test) => ({ ...test, name: Object.keys(options)[0] })),
    ),
  },
  {
    id: 'MI-21',
    what: 'Deadlines that are none',
    cases: call(
      'retry',
      [{ deadlineMs: 0 }, { deadlineMs: -1 }, { deadlineMs: new Date() }, { deadlineMs: 2 ** 31 }],
      OPTION,
    ),
  },
  {
    id: 'MI-22',
    what: 'Checkpoints that are none',
    cases: call('checkpoint', ['', 42, {}, { get() {}, set() {} }, 'a\0b'], OPTION),
  },
  { id: 'MI-23', what: 'Idempotency keys, lists of types', impossible: 'there are no such options' },
  {
    id: 'MI-25',
    what: 'Five thousand wrong calls at once: all refused, memory as before',
    cases: [
      {
        call: async (context, given) => {
          const before = process.memoryUsage().rss
          const outcomes = await Promise.all(
            Array.from({ length: 5000 }, () =>
              context.storage.uploadFile({ ...given, body: 'x', key: '..' }).then(
                () => 'stored',
                (error) => error.code,
              ),
            ),
          )
          return {
            attempts: 0,
            codes: [...new Set(outcomes)],
            grown: process.memoryUsage().rss - before < 100 * 1024 * 1024,
          }
        },
        expect: { ok: true, stored: 'any', withinMs: [0, 600_000] },
        check: (context, { value }, assert) =>
          assert.deepEqual(value, { attempts: 0, codes: ['ERR_INVALID_KEY'], grown: true }),
      },
    ],
  },
  { id: 'MI-26', what: 'Methods without their storage', ...covered('a method without its storage') },
  { id: 'MI-27', what: 'Arguments with getters that throw', ...covered('a getter that throws') },
]

module.exports = { title: 'O, K-I, BI, MI: input', rows }
