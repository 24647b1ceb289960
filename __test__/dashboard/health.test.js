'use strict'

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { healthOf } = require('../../lib/dashboard/health.js')

const window = ({ calls = 0, failed = 0, retries = 0, failuresByCode = {} } = {}) => ({
  calls,
  succeeded: calls - failed,
  failed,
  retries,
  failuresByCode,
})

/** An operation with such a last minute and such last five minutes. */
function operation(minute, recent = minute) {
  return {
    total: window({ ...recent, calls: (recent.calls ?? 0) + 100 }),
    lastMinute: window(minute),
    lastFiveMinutes: window(recent),
  }
}

function endpoint(state = 'closed', { role = 'primary', limiting = false } = {}) {
  const host = role === 'primary' ? '0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com' : 's3.example'
  return { endpoint: `https://${host}`, role, breaker: { state }, pacing: { limiting }, queued: limiting ? 1200 : 0 }
}

const health = (operations, endpoints = [endpoint()]) => healthOf({ operations, endpoints })

const cases = {
  'nothing was called': [health({}), 'unused', []],
  'nothing was called lately': [health({ head: operation({}) }), 'quiet', [/No call has ended/]],
  'all is well': [
    health({ uploadFile: operation({ calls: 12 }), head: operation({ calls: 1 }) }),
    'well',
    [/^13 calls in the last 5 minutes, none lost\.$/],
  ],
  'one retry is normal': [
    health({ uploadFile: operation({ calls: 20, retries: 1 }) }),
    'well',
    [/none lost, with 1 retry\./],
  ],
  'one of a thousand is reported and no alarm': [
    health({ uploadFile: operation({ calls: 1000, failed: 1 }) }),
    'well',
    [/^1 call of 1,000 failed/],
  ],
  'more are lost': [
    health({ uploadFile: operation({}, { calls: 100, failed: 2 }) }),
    'degraded',
    [/^2 calls of 100 failed in the last 5 minutes\.$/],
  ],
  'many retries': [
    health({ uploadFile: operation({ calls: 10, retries: 4 }) }),
    'degraded',
    [/^4 retries in 10 calls/],
  ],
  pacing: [
    health({ uploadFile: operation({ calls: 10 }) }, [endpoint('closed', { limiting: true })]),
    'degraded',
    [/^Requests to 012345…\.r2\.cloudflarestorage\.com are slowed down because it asks for less; 1,200 wait\.$/],
  ],
  'half of the calls are lost': [
    health({ uploadFile: operation({ calls: 4, failed: 2 }) }),
    'outage',
    [/2 calls of 4 failed in the last minute/],
  ],
  'two calls are too few to say': [
    health({ uploadFile: operation({ calls: 2, failed: 2 }) }),
    'degraded',
    [/2 calls of 2/],
  ],
  'an outage that is over': [
    health({ uploadFile: operation({ calls: 10 }, { calls: 30, failed: 20 }) }),
    'degraded',
    [/20 calls of 30/],
  ],
  'the only endpoint is cut off': [
    health({ uploadFile: operation({}, { calls: 5 }) }, [endpoint('open')]),
    'outage',
    [/breaker of 012345….* is open/],
  ],
  'the failover works': [
    health({ uploadFile: operation({ calls: 5 }) }, [endpoint('open'), endpoint('closed', { role: 'failover' })]),
    'degraded',
    [/is open: requests are held back/],
  ],
  'both are cut off': [
    health({ uploadFile: operation({ calls: 5 }) }, [endpoint('open'), endpoint('open', { role: 'failover' })]),
    'outage',
    [/./, /the failover s3\.example/],
  ],
  'a probe is under way': [
    health({ uploadFile: operation({ calls: 5 }) }, [endpoint('halfOpen')]),
    'degraded',
    [/half open: a probe is under way/],
  ],
  'rejected calls are not lost calls': [health({ head: operation({ calls: 10, rejected: 9 }) }), 'well', [/none lost/]],
}

for (const [name, [given, state, reasons]] of Object.entries(cases)) {
  test(`${name}: ${state}`, () => {
    assert.equal(given.state, state)
    assert.equal(given.reasons.length, reasons.length, given.reasons.join('\n'))
    for (const [index, reason] of reasons.entries()) assert.match(given.reasons[index], reason)
  })
}
