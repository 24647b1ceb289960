'use strict'

// G: what `downloadAndUpload` fetches.

const { gzipSync, brotliCompressSync } = require('node:zlib')
const { noise } = require('../support/lab.js')

const MIB = 1024 * 1024
const picture = noise(200_000)

/** A source that responds by the number of the request. */
const from = (source, expect, more) => ({ body: picture, source, expect: { requests: false, ...expect }, ...more })
const whole = (response) => response.writeHead(200, { 'content-length': picture.length, etag: '"v1"' }).end(picture)

/** The rest of the picture, as it was asked for. */
function rest(request, response, etag = '"v1"') {
  const at = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
  if (at === 0) return whole(response)
  response.writeHead(206, {
    'content-range': `bytes ${at}-${picture.length - 1}/${picture.length}`,
    'content-length': picture.length - at,
    etag,
  })
  response.end(picture.subarray(at))
}

/** So much, then a broken connection. */
function breaks(response, bytes, headers = { 'content-length': picture.length, etag: '"v1"' }, status = 200) {
  response.writeHead(status, headers)
  response.write(picture.subarray(0, bytes), () => setTimeout(() => response.destroy(), 20))
}

const statusOf = (number, headers) => (request, response) =>
  response.writeHead(number, headers).end('no <token>CANARY</token>')
const SOURCE_STATUS = { code: 'ERR_SOURCE_STATUS', category: 'source' }

const redirects = (place) => (request, response) =>
  response.writeHead(302, place === undefined ? {} : { location: place }).end()

const rows = [
  {
    id: 'G-01',
    what: '401, 403, 404, 410, 425: the source does not give it',
    cases: [401, 403, 404, 410, 425].map((number) =>
      from(statusOf(number), { ...SOURCE_STATUS, retryable: false, sourceRequests: 1 }, { name: String(number) }),
    ),
  },
  {
    id: 'G-02',
    what: '500, 502, 503, 504, 408, 429: later, perhaps',
    cases: [500, 502, 503, 504, 408, 429].flatMap((number) => [
      from(
        (request, response, nth) => (nth <= 1 ? statusOf(number)(request, response) : whole(response)),
        { ok: true, sourceRequests: 2 },
        { name: `${number} once` },
      ),
      ...(number === 500
        ? [
            from(
              statusOf(number),
              { ...SOURCE_STATUS, retryable: true, sourceRequests: 4 },
              { name: `${number} always` },
            ),
          ]
        : []),
    ]),
  },
  {
    id: 'G-03',
    what: '202: not ready yet',
    cases: [from(statusOf(202), { ...SOURCE_STATUS, sourceRequests: [1, 4] })],
  },
  {
    id: 'G-04',
    what: 'The body breaks off: the rest is asked for',
    cases: [
      from(
        (request, response, nth) => (nth === 1 ? breaks(response, 90_000) : rest(request, response)),
        { ok: true, sourceRequests: 2 },
        {
          name: 'once',
          check: ({ source }, outcome, assert) => assert.match(source.seen[1].headers.range ?? '', /^bytes=[1-9]/),
        },
      ),
      from(
        (request, response) => breaks(response, 1000),
        { code: ['ERR_SOURCE_FAILED', 'ECONNRESET', 'ERR_SOURCE_LENGTH'], retryable: true },
        { name: 'always' },
      ),
    ],
  },
  {
    id: 'G-05',
    what: 'Chunks without the last one',
    cases: [
      from((request, response) => breaks(response, 1000, {}), {
        code: ['ERR_SOURCE_FAILED', 'ECONNRESET'],
        retryable: true,
      }),
    ],
  },
  {
    id: 'G-06',
    what: 'Neither a length nor chunks: the end of the connection is the end of the body',
    cases: [
      from(
        (request, response) => {
          request.socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n'), picture]))
        },
        { ok: true, sourceRequests: 1 },
      ),
    ],
  },
  {
    id: 'G-07',
    what: 'The source ignores the range and begins anew',
    cases: [
      from((request, response, nth) => (nth === 1 ? breaks(response, 90_000) : whole(response)), {
        ok: true,
        sourceRequests: 2,
      }),
    ],
  },
  {
    id: 'G-08',
    what: 'The source gives another range than was asked for',
    cases: [
      from(
        (request, response, nth) => {
          if (nth === 1) return breaks(response, 90_000)
          if (nth > 2) return rest(request, response)
          response
            .writeHead(206, {
              'content-range': `bytes 10-${picture.length - 1}/${picture.length}`,
              'content-length': picture.length - 10,
              etag: '"v1"',
            })
            .end(picture.subarray(10))
        },
        { stored: 'whole or nothing' },
        { name: 'from another place', either: true },
      ),
      from(
        (request, response, nth) => {
          if (nth === 1) return breaks(response, 90_000)
          response.writeHead(206, { 'content-type': 'multipart/byteranges; boundary=x', etag: '"v1"' }).end('--x--')
        },
        {},
        { name: 'in several parts', either: true },
      ),
    ],
  },
  {
    id: 'G-09',
    what: 'The source changes between two ranges: never a mixture',
    cases: [
      from(
        (request, response, nth) => {
          const other = Buffer.alloc(picture.length, 9)
          if (nth === 1) return breaks(response, 90_000)
          response.writeHead(200, { 'content-length': other.length, etag: '"v2"' }).end(other)
        },
        { ok: true, stored: 'any' },
        { check: ({ lab, key }, outcome, assert) => assert.ok(lab.stored(key).every((byte) => byte === 9)) },
      ),
    ],
  },
  {
    id: 'G-10',
    what: 'The connection dies every 40 kB',
    cases: [
      from(
        (request, response) => {
          const at = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
          const headers = { 'content-length': picture.length - at, etag: '"v1"' }
          if (at > 0) headers['content-range'] = `bytes ${at}-${picture.length - 1}/${picture.length}`
          response.writeHead(at > 0 ? 206 : 200, headers)
          const end = Math.min(picture.length, at + 40_000)
          response.write(picture.subarray(at, end), () =>
            end < picture.length ? setTimeout(() => response.destroy(), 20) : response.end(),
          )
        },
        { ok: true, sourceRequests: [5, 8] },
        { options: { retry: { maxAttempts: 10 } } },
      ),
    ],
  },
  {
    id: 'G-11',
    what: 'One byte a second: not stalled, but past the deadline',
    cases: [
      from(
        (request, response) => {
          response.writeHead(200, { 'content-length': 1000 })
          const timer = setInterval(() => response.write('x'), 300)
          response.on('close', () => clearInterval(timer))
        },
        { code: 'ETIMEDOUT', category: 'timeout' },
        { options: { retry: { deadlineMs: 1500 } } },
      ),
    ],
  },
  {
    id: 'G-12',
    what: 'Nothing comes after the head',
    cases: [
      from(
        (request, response) => response.writeHead(200, { 'content-length': 1000 }).flushHeaders(),
        { code: 'ETIMEDOUT', category: 'timeout', retryable: true },
        { storage: { stallTimeoutMs: 500 } },
      ),
    ],
  },
  {
    id: 'G-13',
    what: 'More than `maxBytes`: by its length at once, else when it is too much',
    cases: [
      from(
        (request, response) => whole(response),
        { code: 'ERR_TOO_LARGE', retryable: false, sourceRequests: 1 },
        { name: 'by length', options: { maxBytes: 1000 } },
      ),
      from(
        (request, response) => {
          const timer = setInterval(() => response.write(picture), 5)
          response.on('close', () => clearInterval(timer))
        },
        { code: 'ERR_TOO_LARGE', retryable: false, sourceRequests: 1 },
        { name: 'without end', options: { maxBytes: MIB } },
      ),
    ],
  },
  {
    id: 'G-14',
    what: 'A compressed response that nobody asked for: a few bytes that decompress to gigabytes',
    cases: Object.entries({
      gzip: gzipSync(Buffer.alloc(10 * MIB)),
      br: brotliCompressSync(Buffer.alloc(10 * MIB)),
      zstd: Buffer.from('28b52ffd', 'hex'),
    }).map(([encoding, bytes]) =>
      from(
        (request, response) => response.writeHead(200, { 'content-encoding': encoding }).end(bytes),
        { code: 'ERR_SOURCE_ENCODING', retryable: false, sourceRequests: 1 },
        {
          name: encoding,
          check: ({ source }, outcome, assert) => assert.equal(source.seen[0].headers['accept-encoding'], 'identity'),
        },
      ),
    ),
  },
  {
    id: 'G-16',
    what: '200 without a byte',
    cases: [
      from((request, response) => response.writeHead(200).end(), { code: 'ERR_SOURCE_EMPTY', category: 'source' }),
    ],
  },
  {
    id: 'G-17',
    what: 'Redirects: in a circle, without a place, to a place that is none',
    cases: [
      from(redirects('/again'), { code: 'ERR_REDIRECT', sourceRequests: 6 }, { name: 'circle' }),
      from(redirects(), { code: 'ERR_REDIRECT', sourceRequests: 1 }, { name: 'without' }),
      from(
        redirects('http://'),
        { code: ['ERR_REDIRECT', 'ERR_INVALID_URL', 'ERR_BLOCKED_URL'], sourceRequests: 1 },
        { name: 'none' },
      ),
      from(
        (request, response, nth) => (nth === 1 ? redirects('other?x=1')(request, response) : whole(response)),
        { ok: true, sourceRequests: 2 },
        { name: 'relative' },
      ),
    ],
  },
  {
    id: 'G-18',
    what: "The caller's headers stay with the host that they are for",
    covered: { file: 'tests/faults/download.rs', test: 'the_callers_headers_stay_with_the_callers_host' },
  },
  {
    id: 'G-19',
    what: 'A redirect to an address inside, or to another scheme',
    cases: [
      'http://10.0.0.1/',
      'http://169.254.169.254/latest/meta-data/',
      'http://[::1]:9/',
      'http://127.0.0.2:9/',
      'file:///etc/passwd',
      '//localhost:9/',
      'gopher://127.0.0.1:6379/_x',
    ].map((place) =>
      from(
        redirects(place),
        { code: ['ERR_BLOCKED_URL', 'ERR_REDIRECT'], retryable: false, sourceRequests: 1 },
        { name: place },
      ),
    ),
  },
  {
    id: 'G-20',
    what: 'The storage is slower than the source',
    cases: [
      from(
        (request, response) => whole(response),
        { ok: true, sourceRequests: 1 },
        { faults: [{ fault: 'slow', bytesPerSecond: 200_000 }] },
      ),
    ],
  },
  {
    id: 'G-21',
    what: 'The storage fails twice: the source is not asked again',
    cases: [
      from(
        (request, response) => whole(response),
        { ok: true, attempts: 3, sourceRequests: 1 },
        { faults: [{ fault: 'reset', times: 2 }] },
      ),
    ],
  },
  {
    id: 'G-22',
    what: 'The source is fine, the storage is gone',
    cases: [
      from(
        (request, response) => whole(response),
        { code: ['ECONNRESET'], category: 'network', retryable: true, sourceRequests: 1 },
        { faults: [{ fault: 'down' }] },
      ),
    ],
  },
  {
    id: 'G-23',
    what: 'The source knows neither HEAD nor ranges',
    cases: [
      from(
        (request, response) =>
          request.method === 'GET'
            ? response.writeHead(200, { 'accept-ranges': 'none' }).end(picture)
            : response.writeHead(405).end(),
        { ok: true, sourceRequests: 1 },
      ),
    ],
  },
  {
    id: 'G-24',
    what: 'A hundred downloads from one slow host do not hold up others',
    open: 'there is no limit per host; each call has a connection of its own, and `concurrency` bounds `uploadFiles`',
  },
  {
    id: 'G-25',
    what: 'A `data:` URL',
    cases: [
      {
        source: (request, response) => whole(response),
        call: (context, options) =>
          context.storage.downloadAndUpload({ ...options, url: 'data:image/png;base64,AAAA' }),
        expect: { code: ['ERR_BLOCKED_URL', 'ERR_INVALID_URL'], attempts: 0 },
      },
    ],
  },
  {
    id: 'G-26',
    what: 'A source that asks to be left alone for hours ends the call, and pauses no endpoint',
    cases: ['3600', '604800'].map((retryAfter) =>
      from(
        statusOf(503, { 'retry-after': retryAfter }),
        { ...SOURCE_STATUS, retryable: true, sourceRequests: 1, withinMs: [0, 60_000] },
        { name: retryAfter },
      ),
    ),
  },
  {
    id: 'G-27',
    what: 'A source that breaks off again and again, with a little progress each time',
    covered: { file: 'tests/faults/budgets.rs', test: 'a_source_that_breaks_off_again_and_again_ends' },
  },
  {
    id: 'G-28',
    what: 'Sources that send anything, and honest uploads beside them',
    covered: {
      file: 'tests/faults/budgets.rs',
      test: 'whatever_a_source_or_a_server_does_calls_end_and_uploads_beside_them_work',
    },
  },
  {
    id: 'G-29',
    what: 'Downloads that nobody reads, and uploads that need a connection',
    covered: { file: '__test__/faults/limits.test.js', test: 'uploads get through beside downloads that nobody reads' },
  },
]

module.exports = { title: 'G: downloads', rows }
