'use strict'

// U: objects in parts. K: clocks.

const { RETRY, status, raw, response, s3Error } = require('./support/cases.js')
const { inProcess } = require('./connections.js')
const { sleep } = require('./support/runner.js')

const MIB = 1024 * 1024
/** Three parts. */
const body = 11 * MIB

/** The requests of an upload in parts, by method and place. */
const create = (fault) => ({ ...fault, method: 'POST' })
const complete = (fault) => ({ ...fault, method: 'POST', skip: 1 })
const part = (fault, skip = 0) => ({ ...fault, method: 'PUT', skip })
const abort = (fault) => ({ ...fault, method: 'DELETE' })
const times = (count, fault) => ({ ...fault, times: count })

const inParts = (faults, expect, more) => ({
  body,
  faults: [faults].flat(),
  expect: { requests: false, ...expect },
  ...more,
})
const stores = (faults, more) => inParts(faults, { ok: true, attempts: [1, 4] }, more)
const fails = (faults, expect, more) => inParts(faults, expect, more)

/** What nobody could remove then. */
async function cleanedUp(context, outcome, assert) {
  await context.control('PUT', '/faults', { faults: [] })
  const { removed } = await context.storage.abortIncompleteUploads({
    olderThan: new Date(Date.now() + 60_000),
    prefix: context.key,
  })
  assert.equal(removed.length, 1)
}

const server = status(500, 'InternalError')
const NO_SUCH_UPLOAD = status(404, 'NoSuchUpload')

/** Aborts the upload when the test server holds what `where` names. */
const aborted = (name, faults, afterMs) => ({
  name,
  body,
  faults: [faults].flat(),
  call: async (context, given) => {
    const controller = new AbortController()
    context.reason = new Error('the user left')
    const timer = setTimeout(() => controller.abort(context.reason), afterMs)
    try {
      return await context.storage.uploadFile({ body: context.body, ...given, signal: controller.signal })
    } finally {
      clearTimeout(timer)
    }
  },
  expect: { reason: true, requests: false, stored: 'nothing' },
})

const rows = [
  { id: 'U-01', what: 'The beginning fails twice', cases: [stores(create(times(2, server)))] },
  {
    id: 'U-02',
    what: 'The response to the beginning is lost: the object is stored, `abortIncompleteUploads` removes what was begun',
    cases: [stores(create(times(1, { fault: 'dropResponse' })), { check: cleanedUp })],
  },
  {
    id: 'U-03',
    what: 'A share of the parts fails by chance; only those are sent again',
    cases: [0.2, 0.5].map((chance) =>
      inParts(
        [{ ...server, method: 'PUT', chance, seed: 3 }],
        { ok: true, attempts: [1, 20] },
        {
          name: `${chance * 100} %`,
          body: 41 * MIB,
          options: { retry: { maxAttempts: 20 } },
          check: async (context, { value }, assert) => {
            const { events } = await context.control('GET', '/events')
            const parts = events.filter((event) => event.method === 'PUT')
            const struck = parts.filter((event) => event.action !== 'forward').length
            assert.deepEqual([value.parts, parts.length], [9, 9 + struck])
          },
        },
      ),
    ),
  },
  {
    id: 'U-04',
    what: 'One part is refused: the others are aborted, the upload is removed',
    cases: [
      fails(part(times(1, status(403, 'AccessDenied')), 1), {
        code: 'AccessDenied',
        category: 'auth',
        retryable: false,
        attempts: 1,
      }),
    ],
  },
  {
    id: 'U-05',
    what: 'The removal of a failed upload fails, too: twice, or for ever until `abortIncompleteUploads`',
    cases: [
      fails([part(status(403, 'AccessDenied')), abort(times(2, server))], { code: 'AccessDenied' }, { name: 'twice' }),
      fails(
        [part(status(403, 'AccessDenied')), abort(server)],
        { code: 'AccessDenied' },
        {
          name: 'for ever',
          check: async (context, outcome, assert) => {
            const removals = async () =>
              (await context.control('GET', '/events')).events.filter(({ method }) => method === 'DELETE')
            while ((await removals()).length < RETRY.maxAttempts) await sleep(20)
            await cleanedUp(context, outcome, assert)
          },
        },
      ),
    ],
  },
  {
    id: 'U-06',
    what: "A part's response has another ETag, or none",
    cases: [
      stores(part(times(1, { fault: 'badEtag' })), { name: 'another' }),
      stores(part(times(1, raw(response('200 OK', {})))), { name: 'none' }),
      fails(part({ fault: 'badEtag' }), { code: 'ERR_INTEGRITY' }, { name: 'another, always' }),
    ],
  },
  {
    id: 'U-07',
    what: 'The end fails twice, with a status or with a 200 that has an error in it',
    cases: [
      stores(complete(times(2, server)), { name: 'status' }),
      stores(
        complete(times(2, raw(response('200 OK', { 'content-type': 'application/xml' }, s3Error('InternalError'))))),
        { name: 'in a 200' },
      ),
    ],
  },
  {
    id: 'U-08',
    what: 'Stored, and the response to the end lost: the upload is unknown now',
    cases: [stores(complete(times(1, { fault: 'dropResponse' })))],
  },
  {
    id: 'U-09',
    what: 'The upload is unknown at its end, and there is no object',
    cases: [fails(complete(NO_SUCH_UPLOAD), { code: 'NoSuchUpload', stored: 'nothing' })],
  },
  {
    id: 'U-10',
    what: 'The upload is unknown in the middle',
    cases: [fails(part(NO_SUCH_UPLOAD, 1), { code: 'NoSuchUpload' })],
  },
  {
    id: 'U-11',
    what: 'A part is not accepted at the end',
    cases: [fails(complete(status(400, 'InvalidPart')), { code: 'InvalidPart' })],
  },
  {
    id: 'U-12',
    what: 'Every object fits into equal parts, ten thousand at most',
    covered: { file: 'src/transfer/plan.rs', test: 'any_object_fits_into_ten_thousand_sound_parts' },
  },
  {
    id: 'U-13',
    what: 'An upload is resumed from its list of parts',
    covered: { file: '__test__/faults/resume.test.js', test: 'streams and compressed bodies, too' },
  },
  {
    id: 'U-14',
    what: 'A checkpoint of another source, or none at all',
    covered: { file: '__test__/faults/resume.test.js', test: 'a source that changed is not mixed with what it was' },
  },
  {
    id: 'U-15',
    what: 'A checkpoint of an upload that the storage has forgotten',
    covered: { file: '__test__/faults/resume.test.js', test: 'an upload that the storage has forgotten begins anew' },
  },
  {
    id: 'U-16',
    what: 'The server takes two parts at a time, and responds with 429 to more',
    cases: [
      inParts(
        [{ fault: 'crowd', most: 2 }],
        { ok: true, attempts: [1, 30] },
        { body: 26 * MIB, options: { retry: { maxAttempts: 30 } } },
      ),
    ],
  },
  {
    id: 'U-17',
    what: 'The first attempt of a part arrives after all others',
    cases: [
      stores(part(times(1, { fault: 'late', ms: 1200 })), { options: { retry: { timeout: 1000, timeoutGrowth: 60 } } }),
    ],
  },
  {
    id: 'U-18',
    what: 'A failure with a megabyte of text does not get into what is sent again',
    cases: [
      stores(
        part(
          times(
            2,
            raw([`HTTP/1.1 503 Later\r\ncontent-length: ${MIB}\r\n\r\n`, { text: 'x'.repeat(1024), times: 1024 }]),
          ),
        ),
      ),
    ],
  },
  {
    id: 'U-19',
    what: 'Aborted at every step',
    cases: [
      // The response to the beginning is waited for in the background: what was begun has to be removed.
      aborted('beginning', create({ fault: 'hang', forMs: 1500 }), 200),
      aborted('begun, response late', create({ fault: 'delay', ms: 1500 }), 300),
      aborted('a part', part({ fault: 'hang' }), 600),
      aborted('one part is done', part({ fault: 'hang' }, 1), 800),
      aborted('the end', complete({ fault: 'hang' }), 1500),
    ],
  },
  {
    id: 'U-21',
    what: 'Memory holds the parts in flight, whatever the size of the object',
    covered: {
      file: '__test__/faults/streams.test.js',
      test: 'memory is bounded: a source is asked for no more than fits',
    },
  },
  {
    id: 'K-01',
    what: "The server's clock is an hour off: corrected, and kept",
    cases: [1, -1].map((hours) => ({
      name: `${hours} h`,
      setUp: (context) =>
        context.control('PUT', '/faults', {
          faults: [
            times(
              1,
              status(403, 'RequestTimeTooSkewed', { date: new Date(Date.now() + hours * 3_600_000).toUTCString() }),
            ),
          ],
        }),
      // The test server's own server does not live in that hour, and refuses what is signed for it.
      expect: { code: 'RequestTimeTooSkewed', attempts: 2, requests: 2 },
      check: async (context, outcome, assert) => {
        const { events } = await context.control('GET', '/events')
        const read = (date) => Date.parse(date.replace(/(....)(..)(..T..)(..)(..Z)/, '$1-$2-$3:$4:$5'))
        const [first, second] = events.map((event) => read(event.amzDate))
        assert.ok(Math.abs(second - first - hours * 3_600_000) < 1_000_000, `${first} ${second}`)
      },
    })),
  },
  {
    id: 'K-02',
    what: 'The same without a date: nothing to correct by',
    cases: [
      {
        faults: [raw(response('403 No', { 'content-type': 'application/xml' }, s3Error('RequestTimeTooSkewed')))],
        expect: { code: 'RequestTimeTooSkewed', category: 'auth', attempts: [1, 2], requests: false },
      },
    ],
  },
  {
    id: 'K-03',
    what: "This machine's clock jumps during an upload",
    open: 'needs a clock of its own for the process (faketime), which CI has not; waits and deadlines are taken from the monotonic clock',
  },
  { id: 'K-04', what: 'Keys are changed between attempts', impossible: 'a storage has its keys for life' },
  {
    id: 'K-05',
    what: 'Retries that last longer than a signature',
    cases: [{ faults: [times(2, status(400, 'ExpiredRequest'))], expect: { ok: true, attempts: 3 } }],
  },
  {
    id: 'K-06',
    what: 'The process is frozen for two seconds in the middle of an upload',
    cases: [
      {
        faults: [{ fault: 'slow', bytesPerSecond: 500_000 }],
        call: (context) =>
          inProcess(context, [], FROZEN, (child) => {
            setTimeout(() => child.kill('SIGSTOP'), 900)
            setTimeout(() => child.kill('SIGCONT'), 2900)
          }),
        expect: { ok: true, stored: 'any', withinMs: [2000, 300_000] },
        check: (context, { value }, assert) => assert.match(value.output, /stored 1000000/),
      },
    ],
  },
]

const FROZEN = `
const { newStorage } = require('./index.js')
const storage = newStorage({ logger: false, retry: { timeout: 120000, initialDelayMs: 10, maxDelayMs: 50 } })
storage.uploadFile({ body: Buffer.alloc(1000000, 7), key: 'frozen.bin' }).then((result) => console.log('stored', result.size), (error) => console.log(error.message))`

// U-20, a process that is killed in the middle, is P-02.

module.exports = { title: 'U, K: parts and clocks', rows }
