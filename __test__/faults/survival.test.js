'use strict'

// The `persistent` preset under the standard mixed faults loses nothing. The full table, beside the theory and the AWS
// SDK, is docs/reports/fault-tolerance.md (`npm run task bench:survival`).

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { scaledPolicies, survive } = require('../support/survival.js')

const plans = [
  { rate: 0.05, seed: 1 },
  { rate: 0.2, seed: 2 },
  { rate: 0.3, seed: 3 },
  { rate: 0.5, seed: 4 },
  { rate: 0.3, seed: 5, tls: true },
]

for (const { rate, seed, tls } of plans) {
  test(`every upload survives mixed faults at ${rate * 100} %${tls ? ' over TLS' : ''}`, async () => {
    const connect = (lab) => {
      const options = { retry: scaledPolicies.persistent }
      const storage = tls ? lab.overTls(options) : lab.storage(options)
      return (object) => storage.uploadFile(object)
    }
    const outcome = await survive(connect, { count: 300, rate, seed, concurrency: 32 })
    assert.deepEqual(outcome.errors, [])
    assert.equal(outcome.falseSuccesses, 0)
    // The faults did happen: at four standard deviations below what was asked for.
    const { forward = 0, ...faults } = outcome.actions
    const struck = Object.values(faults).reduce((sum, count) => sum + count, 0)
    const attempts = struck + forward
    assert.ok(struck >= attempts * rate - 4 * Math.sqrt(attempts * rate * (1 - rate)), `${struck} of ${attempts}`)
    if (tls) assert.ok(faults.tlsCut > 0, JSON.stringify(faults))
  })
}
