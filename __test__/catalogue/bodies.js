'use strict'

// B: the way of the body.

const { Readable } = require('node:stream')
const { writeFileSync, truncateSync, appendFileSync, mkdtempSync, rmSync } = require('node:fs')
const path = require('node:path')
const { Worker } = require('node:worker_threads')
const { fromFile } = require('../../index.js')
const { NETWORK, TIMEOUT, final, passes, retried, status } = require('./support/cases.js')
const { noise } = require('../support/lab.js')
const { sleep } = require('./support/runner.js')

const MIB = 1024 * 1024
const BROKEN = { ...NETWORK, code: ['ECONNRESET', 'EPIPE'] }

/** Uploads something else than `body`, which is what has to be stored. */
const upload = (makeBody) => async (context, options) =>
  context.storage.uploadFile({ body: await makeBody(context), ...options })

const inTemporaryFile = (context) => {
  const folder = mkdtempSync(path.join(context.lab.folder, '..', 'reliable-r2-file-'))
  context.onEnd(() => rmSync(folder, { recursive: true, force: true }))
  context.file = path.join(folder, 'body.bin')
  writeFileSync(context.file, context.body)
  return context.file
}

const rows = [
  {
    id: 'B-01',
    what: 'A reset after so many bytes of the body',
    cases: [0, 1, 65_536, 100_000, 199_999].flatMap((afterBytes) =>
      retried({ fault: 'reset', afterBytes }, BROKEN, { body: 200_000 }).map((test) => ({
        ...test,
        name: `${afterBytes} ${test.name}`,
      })),
    ),
  },
  {
    id: 'B-02',
    what: 'An orderly end after so many bytes',
    cases: [0, 1, 65_536, 199_999].flatMap((afterBytes) =>
      retried({ fault: 'fin', afterBytes }, BROKEN, { body: 200_000 }).map((test) => ({
        ...test,
        name: `${afterBytes} ${test.name}`,
      })),
    ),
  },
  {
    id: 'B-03',
    what: 'The server stops reading: a small body waits for its response, a large one stands still',
    cases: [4096, 4 * MIB].flatMap((body) =>
      [
        {
          name: `${body} once`,
          body,
          faults: [{ fault: 'stopReading', times: 1 }],
          expect: { ok: true, attempts: 2, requests: false },
        },
        {
          name: `${body} always`,
          body,
          faults: [{ fault: 'stopReading' }],
          expect: { ...TIMEOUT, attempts: 2, requests: false },
        },
      ].map((test) => ({
        ...test,
        ...(body > MIB
          ? { storage: { stallTimeoutMs: 3000 }, options: { retry: { maxAttempts: 2 } } }
          : { options: { retry: { maxAttempts: 2, timeout: 1500, timeoutGrowth: test.expect.ok ? 40 : 1 } } }),
      })),
    ),
  },
  {
    id: 'B-04',
    what: 'Slow, but moving: no false timeout',
    cases: [
      {
        name: '3 s',
        storage: { stallTimeoutMs: 2500 },
        body: 600_000,
        faults: [{ fault: 'slow', bytesPerSecond: 200_000 }],
        expect: { ok: true, attempts: 1 },
      },
      {
        name: '20 s',
        slow: true,
        storage: { stallTimeoutMs: 10_000 },
        body: 4_000_000,
        faults: [{ fault: 'slow', bytesPerSecond: 200_000 }],
        expect: { ok: true, attempts: 1, withinMs: [15_000, 120_000] },
      },
    ],
  },
  {
    id: 'B-05',
    what: 'Slower than the attempt has time for: the next one has more',
    cases: [
      {
        body: 600_000,
        faults: [{ fault: 'slow', bytesPerSecond: 400_000 }],
        options: { retry: { timeout: 700, timeoutGrowth: 8 } },
        expect: { ok: true, attempts: [2, 4], requests: false },
      },
    ],
  },
  {
    id: 'B-06',
    what: '503 before the body was read, then the end',
    cases: [4096, 2 * MIB].flatMap((body) =>
      retried(
        { fault: 'earlyStatus', status: 503, code: 'ServiceUnavailable' },
        { code: ['ServiceUnavailable', 'ECONNRESET', 'EPIPE'] },
        { body },
      ).map((test) => ({ ...test, name: `${body} ${test.name}` })),
    ),
  },
  {
    id: 'B-07',
    what: '403 before the body was read, then the end: the head is read, or the connection is found broken',
    cases: [4096, 2 * MIB].map((body) => ({
      name: String(body),
      body,
      faults: [{ fault: 'earlyStatus', status: 403, code: 'AccessDenied' }],
      expect: { code: ['AccessDenied', 'ECONNRESET', 'EPIPE'], attempts: [1, 4], requests: false },
    })),
  },
  {
    id: 'B-08',
    what: '400 IncompleteBody',
    cases: retried(status(400, 'IncompleteBody'), { category: 'network', code: 'IncompleteBody' }),
  },
  {
    id: 'B-09',
    what: '400 ClientDisconnect',
    cases: retried(status(400, 'ClientDisconnect'), { category: 'network', code: 'ClientDisconnect' }),
  },
  { id: 'B-10', what: '400 RequestTimeout', cases: [passes(status(400, 'RequestTimeout'))] },
  {
    id: 'B-11',
    what: '413 EntityTooLarge',
    cases: final(status(413, 'EntityTooLarge'), { category: 'input', code: 'EntityTooLarge' }),
  },
  {
    id: 'B-12',
    what: 'A bit of the body is turned on the way; the server finds out',
    cases: [
      { name: 'once', body: 50_000, faults: [{ fault: 'flip', times: 1 }], expect: { ok: true, attempts: 2 } },
      {
        name: 'always',
        body: 50_000,
        faults: [{ fault: 'flip' }], // The test server's server says 500 where R2 says BadDigest, which is M-13.
        expect: {
          code: ['BadDigest', 'XAmzContentSHA256Mismatch', 'InternalError'],
          attempts: [2, 4],
          requests: false,
        },
      },
    ],
  },
  {
    id: 'B-13',
    what: 'The response has another ETag than the bytes that were sent',
    cases: [
      { name: 'once', faults: [{ fault: 'badEtag', times: 1 }], expect: { ok: true, attempts: 2 } },
      { name: 'always', faults: [{ fault: 'badEtag' }], expect: { code: 'ERR_INTEGRITY', attempts: 2, stored: 'any' } },
    ],
  },
  {
    id: 'B-14',
    what: 'The response is right in everything, and nothing was stored',
    impossible: 'no client can distinguish from a response that is right; `head` after the upload does',
  },
  {
    id: 'B-15',
    what: 'An attempt that timed out reaches the server after the one that won',
    cases: [
      {
        faults: [{ fault: 'late', ms: 1500, times: 1 }],
        options: { retry: { timeout: 500, timeoutGrowth: 100 } },
        call: async (context, options) => {
          const result = await context.storage.uploadFile({ body: context.body, ...options })
          await sleep(1400)
          return result
        },
        expect: { ok: true, attempts: 2, requests: 2 },
      },
    ],
  },
  {
    id: 'B-16',
    what: 'The same, after somebody has stored a newer object',
    impossible:
      'the last writer wins, says R2; keys that are never reused, or `ifMatch`, avoid it. Half-sent bodies are closed before the next attempt: B-01',
  },
  {
    id: 'B-17',
    what: 'The caller changes the buffer right after the call, over three attempts',
    cases: [
      passes(
        { fault: 'reset' },
        {
          call: (context, options) => {
            const body = Buffer.from(context.body)
            const upload = context.storage.uploadFile({ body, ...options })
            body.fill(0)
            return upload
          },
        },
      ),
    ],
  },
  {
    id: 'B-18',
    what: 'The caller gives the memory away right after the call',
    cases: [
      passes(
        { fault: 'reset' },
        {
          call: (context, options) => {
            const body = Uint8Array.from(context.body)
            const upload = context.storage.uploadFile({ body, ...options })
            structuredClone(body.buffer, { transfer: [body.buffer] })
            return upload
          },
        },
      ),
    ],
  },
  {
    id: 'B-19',
    what: 'Another thread writes to shared memory all the time',
    cases: [
      passes(
        { fault: 'reset' },
        {
          call: async (context, options) => {
            const shared = new SharedArrayBuffer(100_000)
            const worker = new Worker(
              'const { workerData } = require("node:worker_threads"); const a = new Uint8Array(workerData); for (let n = 0; ; n++) a[n % a.length] = n',
              { eval: true, workerData: shared, stdout: true, stderr: true },
            )
            try {
              await new Promise((resolve) => worker.once('online', resolve))
              return await context.storage.uploadFile({ body: shared, ...options })
            } finally {
              await worker.terminate()
            }
          },
          expect: { ok: true, attempts: 3, stored: 'any' },
        },
      ),
    ],
  },
  {
    id: 'B-20',
    what: 'A resizable buffer shrinks right after the call',
    cases: [
      passes(
        { fault: 'reset' },
        {
          call: (context, options) => {
            const buffer = new ArrayBuffer(context.body.length, { maxByteLength: context.body.length })
            new Uint8Array(buffer).set(context.body)
            const upload = context.storage.uploadFile({ body: buffer, ...options })
            buffer.resize(1)
            return upload
          },
        },
      ),
    ],
  },
  {
    id: 'B-21',
    what: 'The stream that the bytes come from fails',
    cases: [3000, 7 * MIB].map((bytes) => ({
      name: `after ${bytes} bytes`,
      call: upload(() => {
        let sent = 0
        return new Readable({
          read(size) {
            if (sent >= bytes) return this.destroy(new Error('the disk is gone'))
            const piece = noise(Math.min(size, bytes - sent))
            sent += piece.length
            this.push(piece)
          },
        })
      }),
      expect: { code: 'ERR_SOURCE_FAILED', category: 'source', retryable: false },
      check: (context, { error }, assert) =>
        assert.match(String(error.cause?.message ?? error.cause), /the disk is gone/),
    })),
  },
  {
    id: 'B-22',
    what: 'The stream has more or fewer bytes than were announced',
    cases: [-1, 1].map((off) => ({
      name: off < 0 ? 'fewer' : 'more',
      options: { contentLength: 4096 - off },
      call: upload((context) => Readable.from([context.body])),
      expect: { code: 'ERR_SOURCE_LENGTH', retryable: false },
    })),
  },
  {
    id: 'B-23',
    what: 'The stream stops giving bytes',
    cases: [
      {
        name: 'for longer than a stall of the network may last',
        storage: { stallTimeoutMs: 500 },
        call: upload(async function slowly(context) {
          return (async function* pieces() {
            yield context.body.subarray(0, 2000)
            await sleep(1200)
            yield context.body.subarray(2000)
          })()
        }),
        expect: { ok: true, attempts: 1 },
      },
      {
        name: 'for ever; a deadline ends it',
        options: { retry: { deadlineMs: 600 } },
        call: upload(() => new Readable({ read() {} })),
        expect: { code: 'ETIMEDOUT', category: 'timeout' },
      },
    ],
  },
  {
    id: 'B-24',
    what: 'The file changes between attempts',
    cases: [
      { name: 'it shrinks', act: (file) => truncateSync(file, 1000) },
      { name: 'it grows', act: (file) => appendFileSync(file, 'more') },
      { name: 'it has the same size', act: (file) => writeFileSync(file, noise(21 * MIB)) },
    ].map(({ name, act }) => ({
      name,
      body: 21 * MIB,
      storage: { partConcurrency: 1 },
      faults: [{ fault: 'reset', times: 1, method: 'PUT' }],
      setUp: inTemporaryFile,
      onRetry: (event, context) => act(context.file),
      call: (context, options) => context.storage.uploadFile({ body: fromFile(context.file), ...options }),
      expect: { code: 'ERR_SOURCE_CHANGED', category: 'source', stored: 'nothing' },
    })),
  },
  { id: 'B-25', what: '`100 Continue` never comes', impossible: 'no request asks for it' },
  {
    id: 'B-26',
    what: 'The response comes in segments of one byte',
    cases: [{ faults: [{ fault: 'slice' }], expect: { ok: true, attempts: 1 } }],
  },
  {
    id: 'B-27',
    what: 'No byte at all',
    cases: [
      { body: Buffer.alloc(0), expect: { ok: true, attempts: 1 } },
      {
        name: 'a stream',
        body: Buffer.alloc(0),
        call: upload(() => Readable.from([])),
        expect: { ok: true, attempts: 1 },
      },
    ],
  },
  {
    id: 'B-28',
    what: 'Sizes at the edges of parts',
    cases: [5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 10 * MIB - 1, 10 * MIB, 10 * MIB + 1].map((body) => ({
      name: String(body),
      body,
      expect: { ok: true, attempts: 1, requests: false },
      check: (context, { value }, assert) => assert.equal(value.parts, Math.max(1, Math.ceil(body / (5 * MIB)))),
    })),
  },
  {
    id: 'B-29',
    what: 'A stream fails while its upload waits for its turn',
    covered: {
      file: '__test__/faults/request-bodies.test.js',
      test: 'a stream that fails while it waits for its turn is an outcome with its cause',
    },
  },
  {
    id: 'B-30',
    what: 'What is not the object: a form, a part of it, text whose encoding loses bytes, a coding that no client decodes',
    cases: [
      ['a form', () => new Request('http://127.0.0.1/', { method: 'POST', body: new FormData() })],
      ['a part', () => new Response('part', { status: 206 })],
      ['text', () => Readable.from([Buffer.from([0xff])], { objectMode: false }).setEncoding('ascii')],
      ['a coding', () => new Response('x', { headers: { 'content-encoding': 'rot13' } })],
    ].map(([name, make]) => ({
      name,
      call: upload(make),
      expect: { code: 'ERR_INVALID_BODY', category: 'input', attempts: 0, retryable: false },
    })),
  },
  {
    id: 'B-31',
    what: 'ETags that look like MD5s and are not, as of objects that the server encrypts (SSE-KMS)',
    covered: {
      file: '__test__/faults/protocol.test.js',
      test: 'verifyIntegrity: false accepts ETags of encrypted objects, which look like MD5s, in one request and in parts',
    },
  },
]

module.exports = { title: 'B: bodies', rows }
