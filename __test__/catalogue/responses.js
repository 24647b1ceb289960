'use strict'

// W, H, R: no response, a response with a strange head, a response with a strange body.

const { gzipSync } = require('node:zlib')
const {
  NETWORK,
  PATIENT_MS,
  RETRY,
  TIMEOUT,
  response,
  final,
  passes,
  raw,
  retried,
  s3Error,
  status,
  stays,
  timesOut,
} = require('./support/cases.js')

const BROKEN = { ...NETWORK, code: ['ECONNRESET', 'EPIPE'] }
const PROTOCOL = { code: 'ERR_PROTOCOL', retryable: true }

/** Of the test server's responses to uploads, at least. */
const HEAD_BYTES = 90

/** What is broken off before anybody knows whether it was stored. */
const unknown = (cases) =>
  cases.map((test) => (test.expect.ok ? test : { ...test, expect: { ...test.expect, stored: 'any' } }))

const failure = (body, more) =>
  raw(response('503 Service Unavailable', { 'content-type': 'application/xml', ...more }, body))

const rows = [
  { id: 'W-01', what: 'No response; the connection stays', cases: timesOut({ fault: 'hang' }, 400) },
  {
    id: 'W-02',
    what: 'The end in place of a response',
    cases: retried({ fault: 'fin', afterBytes: Number.MAX_SAFE_INTEGER }, BROKEN),
  },
  { id: 'W-03', what: 'Stored, and the response lost', cases: unknown(retried({ fault: 'dropResponse' }, BROKEN)) },
  {
    id: 'W-04',
    what: "The same with `ifNoneMatch: '*'`: the 412 that follows is settled by what is stored",
    cases: [
      {
        faults: [{ fault: 'dropResponse', times: 1 }],
        options: { ifNoneMatch: '*' },
        expect: { ok: true, attempts: 2, requests: false },
      },
    ],
  },
  {
    id: 'W-05',
    what: 'The same where somebody else was faster',
    cases: [
      {
        faults: [{ fault: 'dropResponse', times: 1 }, { ...status(500, 'InternalError') }],
        call: async (context, options) => {
          const other = context.lab.storage({ endpoint: context.lab.s3, retry: RETRY })
          context.others = [other]
          let faster
          return context.storage.uploadFile({
            body: context.body,
            ...options,
            ifNoneMatch: '*',
            retry: { maxAttempts: 100, deadlineMs: PATIENT_MS },
            // Until somebody else has stored theirs, nobody gets through.
            onRetry: () =>
              (faster ??= other
                .uploadFile({ body: 'of somebody else', key: options.key })
                .then(() => context.control('PUT', '/faults', { faults: [] }))),
          })
        },
        expect: { code: 'PreconditionFailed', attempts: [2, 100], stored: 'any', retryable: false, requests: false },
        check: ({ lab, key }, _, assert) => assert.equal(String(lab.stored(key)), 'of somebody else'),
      },
    ],
  },
  {
    id: 'W-06',
    what: 'A response just in time',
    cases: [
      {
        faults: [{ fault: 'delay', ms: 1700 }],
        options: { retry: { timeout: 60_000 } },
        expect: { ok: true, attempts: 1 },
      },
    ],
  },
  {
    id: 'H-01',
    what: 'Noise in place of a status line',
    cases: [
      ...retried({ fault: 'garbage' }, PROTOCOL),
      ...[...Array(8).keys()].map((n) =>
        stays(
          raw(
            {
              base64: Buffer.from(
                Array.from({ length: 4096 }, (_, at) => (at * 197 + n * 89 + ((at * at) >> 3)) & 255),
              ).toString('base64'),
            },
            { end: 'close' },
          ),
          { code: ['ERR_PROTOCOL', 'ECONNRESET'], retryable: true },
          { name: `4 KiB of noise ${n}` },
        ),
      ),
    ],
  },
  {
    id: 'H-02',
    what: 'The head of the response is cut, at every place',
    cases: [
      {
        faults: Array.from({ length: HEAD_BYTES }, (_, afterBytes) => ({
          fault: 'partialHead',
          afterBytes,
          times: 1,
          keyContains: `head/${afterBytes}.`,
        })),
        call: async (context) => {
          const keys = Array.from({ length: HEAD_BYTES }, (_, n) => `head/${n}.bin`)
          const results = await Promise.all(keys.map((key) => context.storage.uploadFile({ body: context.body, key })))
          return {
            attempts: Math.max(...results.map((result) => result.attempts)),
            least: Math.min(...results.map((result) => result.attempts)),
          }
        },
        expect: { ok: true, attempts: 2, stored: 'any' },
        check: (context, { value }, assert) => assert.equal(value.least, 2),
      },
    ],
  },
  {
    id: 'H-03',
    what: 'The head comes at ten bytes a second',
    cases: [
      stays(
        { fault: 'drip', bytesPerSecond: 10 },
        { ...TIMEOUT, attempts: 2, stored: 'any', requests: false },
        { options: { retry: { timeout: 500, maxAttempts: 2 } } },
      ),
    ],
  },
  {
    id: 'H-04',
    what: 'A megabyte of headers; ten thousand headers',
    cases: [
      stays(
        raw(['HTTP/1.1 200 OK\r\nx: ', { text: 'a'.repeat(1024), times: 1024 }, '\r\n\r\n'], { end: 'close' }),
        { ...PROTOCOL, code: ['ERR_PROTOCOL', 'ECONNRESET'] },
        { name: 'one' },
      ),
      stays(
        raw(['HTTP/1.1 200 OK\r\n', { text: 'x: y\r\n', times: 10_000 }, '\r\n'], { end: 'close' }),
        { ...PROTOCOL, code: ['ERR_PROTOCOL', 'ECONNRESET'] },
        { name: 'many' },
      ),
    ],
  },
  {
    id: 'H-05',
    what: '200 without an ETag',
    cases: [
      { name: 'once', faults: [{ ...raw(response('200 OK', {})), times: 1 }], expect: { ok: true, attempts: 2 } },
      stays(raw(response('200 OK', {})), {
        code: ['ERR_INTEGRITY', 'ERR_PROTOCOL'],
        attempts: [2, 4],
        requests: false,
      }),
    ],
  },
  {
    id: 'H-06',
    what: '200 with a page of HTML: a captive portal',
    cases: [
      stays(raw(response('200 OK', { 'content-type': 'text/html' }, '<html>Please log in</html>')), {
        code: ['ERR_INTEGRITY', 'ERR_PROTOCOL'],
        attempts: [1, 4],
        requests: false,
      }),
    ],
  },
  {
    id: 'H-21',
    what: '200 of a web server, with an ETag: an Express page, a static file, other statuses of success',
    cases: [
      ['weak', '200 OK', { etag: 'W/"13-2jmj7l5rSw0yVb"', 'content-type': 'text/html' }, '<p>Please log in</p>'],
      ['of a file', '200 OK', { etag: '"5f1a2b3c-264"', 'content-type': 'text/html' }, 'page'],
      ['empty', '200 OK', { etag: '""' }],
      ['of blanks', '200 OK', { etag: '"  "' }],
      ['an error below', '200 OK', { etag: '"q"', 'content-type': 'application/xml' }, s3Error('InternalError')],
      ...[201, 202, 203, 206].map((number) => [`${number}`, `${number} Odd`, { etag: '"q"' }]),
    ].map(([name, statusLine, headers, body]) =>
      stays(raw(response(statusLine, headers, body)), { ...PROTOCOL, requests: false }, { name }),
    ),
  },
  {
    id: 'H-22',
    what: "A portal's 200 for the operations that do not upload",
    cases: ['head', 'exists', 'download', 'delete', 'list'].map((operation) => ({
      name: operation,
      faults: [
        raw(
          response('200 OK', { etag: 'W/"2f-abc"', 'content-type': 'text/html' }, '<html>Scheduled maintenance</html>'),
        ),
      ],
      options: { retry: { maxAttempts: 2 } },
      call: async ({ storage }, { key, retry }) => {
        if (operation !== 'list') return storage[operation]({ key, retry })
        for await (const object of storage.list({ retry })) return object
      },
      expect: { ...PROTOCOL, attempts: 2, requests: false },
    })),
  },
  {
    id: 'H-23',
    what: 'A lock that another caller has, with the same bytes: nobody else gets it',
    cases: [
      {
        faults: [{ fault: 'reset', afterBytes: 0, times: 1 }],
        call: async (context, options) => {
          const other = context.lab.storage({ endpoint: context.lab.s3 })
          context.others = [other]
          await other.uploadFile({ body: context.body, ...options })
          return context.storage.uploadFile({ body: context.body, ...options })
        },
        options: { ifNoneMatch: '*' },
        expect: { code: 'PreconditionFailed', attempts: [1, 2], stored: 'any', retryable: false, requests: false },
      },
    ],
  },
  {
    id: 'H-07',
    what: 'Two lengths, or a length and chunks',
    cases: [
      ...retried(raw('HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 5\r\n\r\nhello', { end: 'close' }), {
        code: ['ERR_PROTOCOL', 'ECONNRESET', 'ERR_INTEGRITY'],
        retryable: true,
      }).map((test) => ({ ...test, name: `two lengths ${test.name}` })),
      passes(
        raw(
          'HTTP/1.1 503 Later\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\netag: "smuggled"\r\ncontent-length: 0\r\n\r\n',
          { end: 'close' },
        ),
        { name: 'a length and chunks, and a second response' },
      ),
    ],
  },
  {
    id: 'H-08',
    what: 'Interim responses before the real one: ninety are read, more than a hundred are refused',
    cases: [
      { name: '90', faults: [{ fault: 'interim', count: 90 }], expect: { ok: true, attempts: 1 } },
      stays(
        { fault: 'interim', count: 110 },
        { code: 'ERR_PROTOCOL', retryable: true, message: /interim/, stored: 'any', requests: false },
        { name: '110' },
      ),
    ],
  },
  {
    id: 'H-09',
    what: 'A redirect from the endpoint is never followed with credentials',
    cases: [301, 302, 307, 308].flatMap((number) => [
      {
        name: `${number}`,
        faults: [raw(response(`${number} Moved`, { location: 'http://127.0.0.1:9/elsewhere' }))],
        expect: { retryable: false, code: [`HTTP_${number}`, 'ERR_REDIRECT'], attempts: 1, requests: 1 },
      },
      {
        name: `${number} without a place`,
        faults: [raw(response(`${number} Moved`, {}))],
        expect: { retryable: false, code: [`HTTP_${number}`, 'ERR_REDIRECT'], attempts: 1, requests: 1 },
      },
    ]),
  },
  {
    id: 'H-10',
    what: 'Statuses that are none: 000, 600, 999; and 299',
    cases: ['000', '600', '999', '299'].map((number) =>
      stays(
        raw(response(`${number} Odd`, {}), { end: 'close' }),
        { code: [`HTTP_${number}`, 'ERR_PROTOCOL', 'ECONNRESET', 'ERR_INTEGRITY'], attempts: [1, 4], requests: false },
        { name: number },
      ),
    ),
  },
  {
    id: 'H-11',
    what: 'HTTP/1.0, one request to a connection',
    cases: [passes(raw('HTTP/1.0 503 Later\r\ncontent-length: 0\r\n\r\n', { end: 'close' }))],
  },
  {
    id: 'H-12',
    what: 'Bytes that nobody asked for on an idle connection are no response to the next request',
    cases: [
      {
        faults: [{ fault: 'stray' }],
        call: async (context, options) => {
          const attempts = []
          for (let n = 0; n < 5; n += 1) {
            const result = await context.storage.uploadFile({ body: context.body, ...options })
            attempts.push(result.attempts)
            if (result.etag === 'stray') throw new Error('a stray response was believed')
            await new Promise((resolve) => setTimeout(resolve, 60))
          }
          return { attempts: Math.max(...attempts) }
        },
        expect: { ok: true, attempts: [1, 2] },
      },
    ],
  },
  {
    id: 'H-13',
    what: 'Header values that are no UTF-8, a date that is none',
    cases: [
      passes(
        raw([
          'HTTP/1.1 503 Later\r\nx-odd: ',
          { base64: Buffer.from([0xff, 0xfe, 0xe9]).toString('base64') },
          '\r\ndate: yesterday\r\nretry-after: soon\r\ncontent-length: 0\r\n\r\n',
        ]),
      ),
    ],
  },
  {
    id: 'H-14',
    what: 'Interim (1xx) responses without end',
    cases: [
      passes(
        raw([
          { text: 'HTTP/1.1 103 Early Hints\r\n\r\n', times: 50 },
          'HTTP/1.1 503 Later\r\ncontent-length: 0\r\n\r\n',
        ]),
      ),
      stays(raw([{ text: 'HTTP/1.1 100 Continue\r\n\r\n', times: 100_000 }], { end: 'close' }), {
        code: 'ERR_PROTOCOL',
        retryable: true,
        message: /interim/,
      }),
    ],
  },
  {
    id: 'H-15',
    what: 'A list whose pages bring nothing new: the marker comes back, or every page is empty',
    covered: { file: 'tests/faults/budgets.rs', test: 'a_list_of_empty_pages_with_new_markers_ends' },
  },
  {
    id: 'H-16',
    what: 'The XML of a list has no end',
    covered: { file: 'tests/faults/budgets.rs', test: 'the_xml_of_a_list_is_read_up_to_its_limit' },
  },
  {
    id: 'H-17',
    what: 'The head of a response has five hundred headers',
    covered: { file: 'tests/faults/budgets.rs', test: 'a_source_with_five_hundred_headers_is_read' },
  },
  {
    id: 'R-01',
    what: 'The XML of an error is cut short: the status decides',
    cases: retried(failure(s3Error('SlowDo').slice(0, 60)), { code: ['HTTP_503', 'SlowDo'], status: 503 }),
  },
  {
    id: 'R-02',
    what: 'The body of an error has no end',
    cases: [
      stays(
        raw(
          [
            'HTTP/1.1 503 Later\r\ntransfer-encoding: chunked\r\n\r\n',
            { text: `400\r\n${'x'.repeat(1024)}\r\n`, times: 65_536 },
          ],
          { end: 'close' },
        ),
        { retryable: true, code: ['HTTP_503', 'ERR_PROTOCOL', 'ECONNRESET', 'EPIPE'], attempts: 2 },
        {
          options: { retry: { maxAttempts: 2 } },
          setUp: (context) => {
            context.memory = process.memoryUsage.rss()
          },
          check: ({ memory }, _, assert) =>
            assert.ok(process.memoryUsage.rss() - memory < 64 * 1024 * 1024, 'more memory than the body may take'),
        },
      ),
    ],
  },
  {
    id: 'R-03',
    what: 'XML that grows a billionfold when expanded, or names files',
    cases: [
      '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]><Error><Code>&d;</Code></Error>',
      '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Error><Code>SlowDown</Code><Message>&x;</Message></Error>',
    ].map((xml, n) =>
      stays(
        failure(xml),
        { retryable: true, status: 503 },
        {
          name: ['grows', 'names a file'][n],
          check: (context, { error }, assert) => assert.ok(error.message.length < 700 && !/root:/.test(error.message)),
        },
      ),
    ),
  },
  {
    id: 'R-04',
    what: '200 with an error in it, as the response to the end of an upload in parts',
    covered: { file: 'tests/faults/multipart.rs', test: 'a_200_with_an_error_in_it_is_a_failure' },
  },
  {
    id: 'R-05',
    what: '200 with AccessDenied in it, to a simple upload',
    cases: [
      stays(raw(response('200 OK', { 'content-type': 'application/xml' }, s3Error('AccessDenied'))), {
        code: ['AccessDenied', 'ERR_INTEGRITY', 'ERR_PROTOCOL'],
        attempts: [1, 4],
        requests: false,
      }),
    ],
  },
  {
    id: 'R-06',
    what: 'An error without a body',
    cases: retried(raw(response('500 Oops', {})), { code: 'HTTP_500', status: 500 }),
  },
  {
    id: 'R-07',
    what: "The edge's own pages of HTML",
    cases: [520, 521, 522, 523, 524, 525, 526, 527, 530].flatMap((number) =>
      retried(
        raw(
          response(
            `${number} Edge`,
            { 'content-type': 'text/html', 'cf-ray': '8abc-FRA' },
            `<html><h1>error code: ${number}</h1></html>`,
          ),
        ),
        { code: `HTTP_${number}`, status: number },
      ).map((test) => ({
        ...test,
        name: `${number} ${test.name}`,
        check: (context, { error }, assert) =>
          error && assert.ok(!/<html>/.test(error.message) && error.requestId === '8abc-FRA', error.message),
      })),
    ),
  },
  {
    id: 'R-08',
    what: 'The body stops after its first half',
    cases: timesOut(raw('HTTP/1.1 503 Later\r\ncontent-length: 1000\r\n\r\nhalf', { end: 'hold' }), 600),
  },
  {
    id: 'R-09',
    what: 'The body is compressed, or says so and is not',
    cases: [
      ...retried(
        raw([
          'HTTP/1.1 503 Later\r\ncontent-encoding: gzip\r\n',
          ((compressed) => ({
            text: `content-length: ${compressed.length}\r\n\r\n`,
            base64: compressed.toString('base64'),
          }))(gzipSync(s3Error('SlowDown'))),
        ]),
        { status: 503 },
      )
        .slice(1)
        .map((test) => ({ ...test, name: 'compressed', expect: { ...test.expect, code: ['HTTP_503', 'SlowDown'] } })),
      ...final(raw(response('403 No', { 'content-encoding': 'gzip' }, s3Error('AccessDenied'))), {
        status: 403,
        category: 'auth',
        code: ['AccessDenied', 'HTTP_403'],
      }),
    ],
  },
  {
    id: 'R-10',
    what: 'The message of an error has line breaks, escape sequences, 2 KiB, and our own secrets',
    cases: [
      ...final(
        raw(
          response(
            '403 No',
            { 'content-type': 'application/xml' },
            s3Error('SignatureDoesNotMatch', `line\r\nbreak \u001b[31mred ${'x'.repeat(2048)}`),
          ),
        ),
        { code: ['SignatureDoesNotMatch', 'HTTP_403'] },
        {
          name: 'odd characters',
          check: (context, { error }, assert) =>
            assert.ok(!/[\r\n\u001b]/.test(error.message) && error.message.length < 700, JSON.stringify(error.message)),
        },
      ),
      ...final(
        raw(
          response(
            '403 No',
            { 'content-type': 'application/xml' },
            s3Error(
              'SignatureDoesNotMatch',
              'AWSAccessKeyId local StringToSign AWS4-HMAC-SHA256 Credential=local/CANARY Signature=CANARY',
            ),
          ),
        ),
        { code: 'SignatureDoesNotMatch' },
        { name: 'secrets' },
      ),
    ],
  },
]

module.exports = { title: 'W, H, R: responses', rows }
