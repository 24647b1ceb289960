'use strict'

// Q: too much, too often, for too long. V: how the waits are reckoned.

const { status } = require('./support/cases.js')
const { sleep } = require('./support/runner.js')

const throttled = (more) => status(429, 'TooManyRequests', more)
const busy = (more) => status(503, 'SlowDown', more)
const once = (fault) => [{ ...fault, times: 1 }]
const many = (count, make) => Promise.all(Array.from({ length: count }, (_, n) => make(n)))

/** What `many` uploads of the same body came to. */
const uploads = (count, keyOf) => async (context, options) => {
  const results = await many(count, (n) =>
    context.storage.uploadFile({ body: context.body, ...options, key: keyOf(n) }),
  )
  const whole = results.filter((result) => context.lab.stored(result.key)?.equals(context.body)).length
  return { all: results.length, whole, attempts: Math.max(...results.map((result) => result.attempts)) }
}

const allWhole =
  (count) =>
  (context, { value }, assert) =>
    assert.deepEqual({ ...value, attempts: 0 }, { all: count, whole: count, attempts: 0 })
const patient = { retry: { maxAttempts: 100, initialDelayMs: 50, maxDelayMs: 1000, deadlineMs: 300_000 } }
const httpDate = (ms) => new Date(ms).toUTCString()

const rows = [
  {
    id: 'Q-01',
    what: '429 without Retry-After, twice: at least a second each',
    cases: [{ faults: [{ ...throttled(), times: 2 }], expect: { ok: true, attempts: 3, withinMs: [1980, 300_000] } }],
  },
  {
    id: 'Q-02',
    what: '429 with Retry-After: 2',
    cases: [
      { faults: once(throttled({ retryAfter: '2' })), expect: { ok: true, attempts: 2, withinMs: [1990, 300_000] } },
    ],
  },
  {
    id: 'Q-03',
    what: 'Retry-After beyond the deadline ends the call at once',
    cases: [throttled({ retryAfter: '3600' }), busy({ retryAfter: '3600' })].map((fault) => ({
      name: String(fault.status),
      faults: [fault],
      options: { retry: { deadlineMs: 600_000 } },
      expect: {
        category: 'throttled',
        retryable: true,
        code: fault.code,
        attempts: 1,
        retryAfterMs: 3_600_000,
        withinMs: [0, 120_000],
      },
    })),
  },
  {
    id: 'Q-04',
    what: 'Retry-After as a date, by the clock of a server that is an hour ahead',
    cases: [
      {
        faults: once(busy({ retryAfter: httpDate(Date.now() + 3_602_000), date: httpDate(Date.now() + 3_600_000) })),
        options: { retry: { deadlineMs: 200_000 } },
        // The storage behind this response has another clock, and refuses the signature of the second attempt.
        expect: { ok: true, attempts: 3, withinMs: [1900, 120_000] },
      },
    ],
  },
  {
    id: 'Q-05',
    what: 'One write a second to a key; eight uploads of it at once',
    cases: [
      {
        faults: [{ fault: 'keyLimit', intervalMs: 1000 }],
        options: patient,
        call: uploads(8, () => 'limited.bin'),
        expect: { ok: true, stored: 'any', withinMs: [0, 300_000] },
        check: async (context, outcome, assert) => {
          allWhole(8)(context, outcome, assert)
          const { events } = await context.control('GET', '/events')
          assert.ok(events.length <= 24, `${events.length} requests`)
        },
      },
    ],
  },
  {
    id: 'Q-06',
    what: '429 until the deadline',
    cases: [
      {
        faults: [throttled()],
        options: { retry: { maxAttempts: 50, deadlineMs: 2600 } },
        expect: {
          category: 'throttled',
          code: 'TooManyRequests',
          attempts: [1, 3],
          withinMs: [0, 60_000],
          requests: false,
        },
      },
    ],
  },
  {
    id: 'Q-07',
    what: 'An outage of two seconds meets 200 uploads at once',
    cases: [
      {
        faults: [{ fault: 'down' }],
        setUp: (context) => {
          const timer = setTimeout(() => context.control('PUT', '/faults', { faults: [] }), 2000)
          context.onEnd(() => clearTimeout(timer))
        },
        options: patient,
        call: uploads(200, (n) => `outage/${n}.bin`),
        expect: { ok: true, stored: 'any', withinMs: [1900, 300_000] },
        check: allWhole(200),
      },
    ],
  },
  {
    id: 'Q-08',
    what: 'The primary is gone; another endpoint takes the uploads',
    cases: [
      {
        storage: ({ lab }) => ({
          endpoint: undefined,
          endpoints: [{ endpoint: 'http://127.0.0.1:9' }, { endpoint: lab.proxy }],
        }),
        expect: { ok: true },
        check: (context, { value }, assert) =>
          assert.deepEqual([value.failedOver, value.endpoint], [true, context.lab.proxy]),
      },
    ],
  },
  {
    id: 'Q-09',
    what: 'Half of all requests fail by chance: the breaker stays closed',
    cases: [
      {
        faults: [{ ...status(500, 'InternalError'), chance: 0.5, seed: 9 }],
        options: { retry: { maxAttempts: 50, deadlineMs: 300_000 } },
        call: uploads(300, (n) => `half/${n}.bin`),
        expect: { ok: true, stored: 'any', attempts: [2, 30], withinMs: [0, 300_000] },
        check: (context, outcome, assert) => {
          allWhole(300)(context, outcome, assert)
          assert.equal(context.storage.metrics().endpoints[0].breaker.opened, 0)
        },
      },
    ],
  },
  {
    id: 'Q-10',
    what: 'The breaker is open, and there is no other endpoint',
    covered: {
      file: '__test__/faults/outage.test.js',
      test: 'with an open breaker a call fails at once, or waits if it has the time',
    },
  },
  {
    id: 'Q-11',
    what: 'Down for a second, up for a second, ten times',
    cases: [
      {
        slow: true,
        setUp: (context) => {
          let down = false
          const timer = setInterval(() => {
            down = !down
            context.control('PUT', '/faults', { faults: down ? [{ fault: 'down' }] : [] })
          }, 1000)
          context.onEnd(() => clearInterval(timer))
        },
        options: patient,
        call: async (context, options) => {
          const calls = []
          for (let n = 0; n < 100; n += 1) {
            calls.push(context.storage.uploadFile({ body: context.body, ...options, key: `flapping/${n}.bin` }))
            await sleep(200)
          }
          const results = await Promise.all(calls)
          return {
            all: results.length,
            whole: results.filter((result) => context.lab.stored(result.key)?.equals(context.body)).length,
          }
        },
        expect: { ok: true, stored: 'any', withinMs: [0, 300_000] },
        check: allWhole(100),
      },
    ],
  },
  {
    id: 'Q-12',
    what: 'The primary comes back: what others took goes to it',
    covered: {
      file: 'tests/faults/outage.rs',
      test: 'what_the_primary_cannot_take_goes_to_the_next_endpoint_and_comes_back',
    },
  },
  {
    id: 'Q-13',
    what: '429s of a few keys slow down those keys alone',
    covered: { file: 'tests/simulation/main.rs', test: 'few_hot_keys_slow_down_no_others' },
  },
  {
    id: 'V-07',
    what: 'Retry-After that is none counts as absent',
    cases: ['-1', 'nan', '1e309', '99999999999999999999', '', 'Thu, 01 Jan 1970 00:00:00 GMT', '1.5.2', '\u0661'].map(
      (retryAfter) => ({
        name: JSON.stringify(retryAfter),
        faults: once(busy({ retryAfter })),
        expect: { ok: true, attempts: 2, withinMs: [0, 60_000] },
      }),
    ),
  },
  {
    id: 'V-13',
    what: 'No wait goes past the deadline',
    cases: [
      {
        faults: [status(500, 'InternalError')],
        options: { retry: { initialDelayMs: 60_000, maxDelayMs: 60_000, deadlineMs: 3000 } },
        expect: { code: ['InternalError', 'ETIMEDOUT'], attempts: 1, withinMs: [0, 45_000] },
      },
    ],
  },
  {
    id: 'V-15',
    what: 'Waits as promised by every preset, also of a late attempt',
    covered: { file: 'src/resilience/retry.rs', test: 'every_preset_waits_exactly_as_promised' },
  },
  {
    id: 'V-16',
    what: 'Three failures before each of sixty uploads: nobody is denied a retry',
    cases: [
      {
        faults: Array.from({ length: 60 }, (_, n) => ({
          ...status(500, 'InternalError'),
          times: 3,
          keyContains: `starving/${n}.`,
        })),
        options: { retry: { deadlineMs: 300_000 } },
        call: uploads(60, (n) => `starving/${n}.bin`),
        expect: { ok: true, stored: 'any', attempts: 4, withinMs: [0, 300_000] },
        check: allWhole(60),
      },
    ],
  },
  {
    id: 'V-19',
    what: 'Mixed faults at 5 to 50 percent',
    covered: { file: 'tests/simulation/main.rs', test: 'two_thousand_worlds' },
  },
]

module.exports = { title: 'Q, V: throttling and waits', rows }
