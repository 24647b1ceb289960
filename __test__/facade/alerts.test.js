'use strict'

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const { after, before, describe, mock, test } = require('node:test')
const alerts = require('../../lib/alerts/index.js')
const api = require('../../index.js')
const { startServer } = require('./support/server.js')

const { breakerOpen, failuresAbove, p99Above, retryRateAbove, standardRules, successRateBelow, watch } = alerts

const quiet = {
  succeeded: 0,
  failed: 0,
  rejected: 0,
  aborted: 0,
  attempts: 0,
  retries: 0,
  storedBytes: 0,
  successRate: null,
  retriesByCode: {},
  failuresByCode: {},
  latencyMs: null,
}

/** A snapshot in which uploadFile has these numbers in the last five minutes. */
function snapshot({ endpoints = [], ...stats }) {
  const calls = { ...quiet, ...stats }
  const ended = calls.succeeded + calls.failed
  const successRate = ended === 0 ? null : calls.succeeded / ended
  return { operations: { uploadFile: { lastFiveMinutes: { ...calls, successRate } } }, endpoints }
}

const endpoint = (state, retryAfterMs = null) => ({
  endpoint: 'https://r2.example',
  role: 'primary',
  breaker: { state, retryAfterMs, opened: 1 },
})

describe('rules', () => {
  test('rejected calls fire no rule', () => {
    for (const rule of standardRules()) assert.deepEqual(rule(snapshot({ succeeded: 1, rejected: 1000 })), [])
  })

  test('successRateBelow', () => {
    const rule = successRateBelow(0.99)
    assert.deepEqual(rule(snapshot({ succeeded: 95, failed: 5 })), [
      {
        alert: 'ReliableR2SuccessRateLow',
        subject: 'uploadFile',
        severity: 'critical',
        message: '95 % of the calls of uploadFile succeeded, less than 99 %',
        value: 0.95,
        threshold: 0.99,
      },
    ])
    assert.deepEqual(rule(snapshot({ succeeded: 99, failed: 1 })), [])
    assert.deepEqual(rule(snapshot({ succeeded: 10, failed: 9 })), [], 'too few to judge')
    assert.deepEqual(rule(snapshot({ aborted: 1000, rejected: 1000 })), [], 'aborted and rejected calls did not fail')
    assert.equal(successRateBelow(0.99, { minCalls: 19 })(snapshot({ succeeded: 10, failed: 9 })).length, 1)
    assert.deepEqual(rule({ operations: {}, endpoints: [] }), [])
  })

  test('retryRateAbove', () => {
    const rule = retryRateAbove(0.2)
    const [found] = rule(snapshot({ attempts: 100, retries: 25, retriesByCode: { SlowDown: 5, ECONNRESET: 20 } }))
    assert.deepEqual([found.alert, found.severity, found.value], ['ReliableR2RetryRateHigh', 'warning', 0.25])
    assert.match(found.message, /^25 % of the attempts of uploadFile were repeated, more than 20 %; mostly ECONNRESET$/)
    assert.deepEqual(rule(snapshot({ attempts: 100, retries: 20 })), [])
    assert.deepEqual(rule(snapshot({ attempts: 19, retries: 19 })), [])
  })

  test('p99Above', () => {
    const rule = p99Above(5000)
    const latencyMs = { p50: 1, p95: 2, p99: 5000.4, max: 9000 }
    assert.equal(rule(snapshot({ succeeded: 20, latencyMs }))[0].alert, 'ReliableR2LatencyHigh')
    assert.deepEqual(rule(snapshot({ succeeded: 20, latencyMs: { ...latencyMs, p99: 5000 } })), [])
    assert.deepEqual(rule(snapshot({ succeeded: 19, latencyMs })), [])
    assert.deepEqual(rule(snapshot({ latencyMs: null })), [])
  })

  test('failuresAbove', () => {
    const [found] = failuresAbove(5)(snapshot({ failed: 6, failuresByCode: { AccessDenied: 6 } }))
    assert.deepEqual(
      [found.alert, found.message],
      ['ReliableR2CallsFailing', '6 calls of uploadFile failed, more than 5; mostly AccessDenied'],
    )
    assert.deepEqual(failuresAbove(5)(snapshot({ failed: 5 })), [])
  })

  test('breakerOpen', () => {
    const rule = breakerOpen()
    const [found] = rule(snapshot({ endpoints: [endpoint('open', 4200)] }))
    assert.deepEqual(found, {
      alert: 'ReliableR2BreakerOpen',
      subject: 'https://r2.example',
      severity: 'critical',
      message:
        'the circuit breaker of https://r2.example (primary) is open; the next request is let through in 4200 ms',
    })
    assert.match(rule(snapshot({ endpoints: [endpoint('halfOpen')] }))[0].message, /is half-open$/)
    assert.deepEqual(rule(snapshot({ endpoints: [endpoint('closed')] })), [])
  })

  test('other windows and calls, each by itself', () => {
    const bad = { ...quiet, succeeded: 10, failed: 30, successRate: 0.25 }
    const metrics = {
      operations: { head: { lastHour: bad }, list: { lastHour: bad }, uploadFile: { lastHour: bad } },
      endpoints: [],
    }
    const found = successRateBelow(0.5, {
      window: 'lastHour',
      operations: ['head', 'list', 'abortIncompleteUploads'],
      severity: 'warning',
    })(metrics)
    assert.deepEqual(
      found.map(({ subject, severity }) => [subject, severity]),
      [
        ['head', 'warning'],
        ['list', 'warning'],
      ],
    )
  })

  test('wrong thresholds and options are refused', () => {
    assert.throws(() => successRateBelow(99), TypeError)
    assert.throws(() => successRateBelow(), TypeError)
    assert.throws(() => retryRateAbove(NaN), TypeError)
    assert.throws(() => p99Above('5 s'), TypeError)
    assert.throws(() => failuresAbove(-1), TypeError)
    assert.throws(() => p99Above(5, { window: 'lastDay' }), /window must be one of/)
    assert.throws(() => p99Above(5, { minCall: 5 }), /minCall is not an option/)
    assert.throws(() => breakerOpen({ severity: 'page' }), /severity must be one of/)
    successRateBelow(0.5, { window: undefined, minCalls: undefined })
    successRateBelow(0.5, null)
  })
})

describe('watch', () => {
  const reported = []
  const onAlert = ({ state, alert, subject }) => reported.push(`${state} ${alert} ${subject}`)

  /** A storage whose metrics are what they are set to. */
  const fake = () => {
    const storage = { now: snapshot({}), metrics: () => structuredClone(storage.now) }
    return storage
  }

  test('an alert is reported once when it begins and once when it is over, on a timer', (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] })
    reported.length = 0
    const storage = fake()
    const watching = watch(storage, { rules: [successRateBelow(0.99), breakerOpen()], everyMs: 1000, onAlert })
    t.mock.timers.tick(5000)
    assert.deepEqual(reported, [])
    storage.now = snapshot({ succeeded: 50, failed: 50 })
    t.mock.timers.tick(999)
    assert.deepEqual(reported, [])
    t.mock.timers.tick(3001)
    assert.deepEqual(reported, ['firing ReliableR2SuccessRateLow uploadFile'])
    storage.now = snapshot({ succeeded: 50, failed: 50, endpoints: [endpoint('open', 1)] })
    t.mock.timers.tick(3000)
    storage.now = snapshot({ succeeded: 100, failed: 1, endpoints: [endpoint('halfOpen')] })
    t.mock.timers.tick(3000)
    assert.deepEqual(reported.slice(1), [
      'firing ReliableR2BreakerOpen https://r2.example',
      'resolved ReliableR2SuccessRateLow uploadFile',
    ])
    storage.now = snapshot({ succeeded: 50, failed: 50 })
    t.mock.timers.tick(3000)
    assert.deepEqual(reported.slice(3), [
      'firing ReliableR2SuccessRateLow uploadFile',
      'resolved ReliableR2BreakerOpen https://r2.example',
    ])
    watching.stop()
    storage.now = snapshot({})
    t.mock.timers.tick(10_000)
    assert.equal(reported.length, 5)
  })

  test('an alert says since when, and until when', (t) => {
    const events = []
    const storage = fake()
    const watching = watch(storage, { rules: [failuresAbove(1)], onAlert: (alert) => events.push(alert) })
    t.after(watching.stop)
    storage.now = snapshot({ failed: 2 })
    assert.equal(watching.check().length, 1)
    storage.now = snapshot({ failed: 9 })
    const [firing] = watching.check()
    storage.now = snapshot({})
    assert.deepEqual(watching.check(), [])
    const [began, ended] = events
    assert.equal(events.length, 2)
    assert.deepEqual([began.state, began.value, firing.value], ['firing', 2, 9], 'what fires has the last numbers')
    assert.equal(firing.startedAt, began.startedAt)
    assert.deepEqual([ended.state, ended.value, ended.startedAt], ['resolved', 9, began.startedAt])
    assert.ok(ended.endedAt >= ended.startedAt)
    assert.ok(events.every(Object.isFrozen))
  })

  test('hostile rules and callbacks cost a warning each, and the others continue', async (t) => {
    const warnings = []
    const listen = ({ message }) => warnings.push(message)
    process.on('warning', listen)
    t.after(() => process.off('warning', listen))
    reported.length = 0
    const storage = fake()
    const odd = {
      throws: () => {
        throw new Error('mine')
      },
      promises: async () => {
        throw new Error('later')
      },
      changes: (metrics) => {
        metrics.operations.uploadFile.lastFiveMinutes.failed = 0
      },
      finds: () => [{ name: 'no alert' }],
      reads: () => ({
        alert: 'A',
        get message() {
          throw new Error('getter')
        },
      }),
    }
    const rules = [...Object.values(odd), failuresAbove(1)]
    const watching = watch(storage, {
      rules,
      onAlert: (alert) => {
        onAlert(alert)
        throw new Error('callback')
      },
    })
    t.after(watching.stop)
    storage.now = snapshot({ failed: 2 })
    watching.check()
    watching.check()
    storage.now = snapshot({})
    watching.check()
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(reported, [
      'firing ReliableR2CallsFailing uploadFile',
      'resolved ReliableR2CallsFailing uploadFile',
    ])
    for (const [index, name] of Object.keys(odd).entries()) {
      assert.equal(
        warnings.filter((text) => text.startsWith(`alert rule ${index + 1} (${name}) threw`)).length,
        1,
        warnings.join('\n'),
      )
    }
    assert.equal(warnings.filter((text) => text.startsWith('onAlert threw')).length, 1)
  })

  test('what a rule returns and is no finding costs a warning that says what one is', (t) => {
    const one = { alert: 'Mine', message: 'x' }
    const wrong = [
      42,
      'x',
      true,
      {},
      [{ alert: 'Mine' }],
      [{ message: 'x' }],
      [{ ...one, alert: 1 }],
      [one, { ...one, message: null }],
    ]
    for (const value of wrong) {
      const warnings = []
      const warn = t.mock.method(process, 'emitWarning', (warning) => warnings.push(String(warning)))
      const watching = watch(fake(), { rules: [() => value], onAlert: () => assert.fail('it is no alert') })
      assert.deepEqual(watching.check(), [])
      watching.stop()
      warn.mock.restore()
      assert.equal(warnings.length, 1)
      assert.match(warnings[0], /findings, each with an alert and a message/, JSON.stringify(value))
    }
  })

  test('a rule that fails neither begins nor ends an alert', (t) => {
    reported.length = 0
    let findings = [{ alert: 'Mine', message: 'x' }]
    const rule = () => {
      if (findings === 'throw') throw new Error('cannot judge')
      return findings
    }
    const watching = watch(fake(), { rules: [rule, () => null, () => undefined], onAlert })
    t.after(watching.stop)
    t.mock.method(process, 'emitWarning', () => {})
    watching.check()
    findings = 'throw'
    assert.equal(watching.check().length, 1)
    findings = null
    watching.check()
    assert.deepEqual(reported, ['firing Mine undefined', 'resolved Mine undefined'])
  })

  test('one of its own', (t) => {
    const found = []
    const quota = ({ operations }) =>
      operations.uploadFile.lastFiveMinutes.storedBytes > 10 && {
        alert: 'Quota',
        message: 'much was stored',
        severity: 'critical',
      }
    const storage = fake()
    const watching = watch(storage, {
      rules: [(metrics) => quota(metrics) || null],
      onAlert: (alert) => found.push(alert),
    })
    t.after(watching.stop)
    storage.now = snapshot({ storedBytes: 11 })
    watching.check()
    assert.deepEqual([found[0].alert, found[0].severity, found[0].state], ['Quota', 'critical', 'firing'])
  })

  test('wrong options are refused', () => {
    const storage = fake()
    assert.throws(() => watch({}, { onAlert }), /must be a storage/)
    assert.throws(() => watch(storage), /onAlert must be a function/)
    assert.throws(() => watch(storage, { onAlert, rules: [0.99] }), /rules must be an array of functions/)
    assert.throws(() => watch(storage, { onAlert, everyMs: 0 }), /everyMs must be/)
    assert.throws(() => watch(storage, { onAlert, everyMs: Infinity }), /everyMs must be/)
    assert.throws(() => watch(storage, { onAlert, every: 5 }), /every is not an option/)
  })

  test('its timer keeps no process alive, and `using` ends it', {
    skip: !Symbol.dispose && 'no Symbol.dispose',
  }, (t) => {
    const program = `require('reliable-r2/alerts').watch({ metrics: () => ({}) }, { onAlert() {} })`
    assert.equal(spawnSync(process.execPath, ['-e', program], { cwd: `${__dirname}/../..`, timeout: 10_000 }).status, 0)
    const watching = watch(fake(), { onAlert })
    assert.equal(watching[Symbol.dispose], watching.stop)
    watching.stop()
  })
})

describe('over a real storage', () => {
  let server
  before(async () => {
    server = await startServer()
  })
  after(() => server.close())

  test('real failures begin the alerts that they should', async (t) => {
    const storage = api.newStorage({ ...server.config, retry: { maxAttempts: 2, initialDelayMs: 1, maxDelayMs: 1 } })
    t.after(() => storage.close())
    const onAlert = mock.fn()
    const rules = [
      successRateBelow(0.9, { minCalls: 10 }),
      retryRateAbove(0.2, { minCalls: 10 }),
      p99Above(60_000),
      failuresAbove(2),
      breakerOpen(),
    ]
    const watching = watch(storage, { rules, onAlert })
    t.after(watching.stop)
    assert.deepEqual(watching.check(), [], 'before the first call')
    const upload = (key) =>
      storage.uploadFile({ key, body: 'x' }).then(
        () => true,
        () => false,
      )
    for (let n = 0; n < 10; n += 1) assert.ok(await upload(`good ${n}`))
    assert.deepEqual(watching.check(), [])
    for (let n = 0; n < 3; n += 1) {
      server.respond('reset', 'reset')
      assert.ok(!(await upload(`bad ${n}`)))
    }
    for (let n = 0; n < 3; n += 1) {
      server.respond('reset')
      assert.ok(await upload(`late ${n}`))
    }
    watching.check()
    const began = onAlert.mock.calls.map(({ arguments: [{ state, alert, message }] }) => [state, alert, message])
    assert.deepEqual(began, [
      ['firing', 'ReliableR2SuccessRateLow', '81.2 % of the calls of uploadFile succeeded, less than 90 %'],
      [
        'firing',
        'ReliableR2RetryRateHigh',
        '27.2 % of the attempts of uploadFile were repeated, more than 20 %; mostly ECONNRESET',
      ],
      ['firing', 'ReliableR2CallsFailing', '3 calls of uploadFile failed, more than 2; mostly ECONNRESET'],
    ])
    for (const rule of standardRules()) rule(storage.metrics())
  })
})
