'use strict'

// The `persistent` preset under the standard mixed faults loses nothing. The full table, beside the theory and the AWS
// SDK, is docs/survival.md (`npm run bench:survival`).

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { scaledPolicies, survive } = require('../support/survival.js')

for (const [seed, rate] of [0.05, 0.2, 0.3, 0.5].entries()) {
  test(`every upload survives mixed faults at ${rate * 100} %`, async () => {
    const connect = (lab) => {
      const storage = lab.storage({ retry: scaledPolicies.persistent })
      return (object) => storage.uploadFile(object)
    }
    const outcome = await survive(connect, { count: 300, rate, seed, concurrency: 32 })
    assert.deepEqual(outcome.errors, [])
    assert.equal(outcome.falseSuccesses, 0)
    // The faults did happen: at four standard deviations below what was asked for.
    const { forward = 0, ...faults } = outcome.faults
    const struck = Object.values(faults).reduce((sum, count) => sum + count, 0)
    const requests = struck + forward
    assert.ok(struck >= requests * rate - 4 * Math.sqrt(requests * rate * (1 - rate)), `${struck} of ${requests}`)
  })
}
