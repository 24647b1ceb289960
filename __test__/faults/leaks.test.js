'use strict'

// Uploads that fail leave nothing behind. The same with ten thousand of each kind: `npm run test:leaks`, whose report is
// in docs/verification.md.

const assert = require('node:assert/strict')
const { describe, test } = require('node:test')
const { kinds } = require('../support/failing-uploads.js')
const { measure } = require('../support/leaks.js')

describe('leaks', { skip: process.platform !== 'linux' && 'descriptors and threads are counted in /proc' }, () => {
  test('a hundred uploads that fail, of each kind', async () => {
    const { calls, outcomes, leaks } = await measure(Object.keys(kinds), 100)
    assert.deepEqual(leaks, [])
    assert.equal(Object.values(outcomes).reduce((sum, times) => sum + times), calls)
  })

  test('what is left behind on purpose is seen', async () => {
    const plants = { descriptor: /^descriptors: \d+ file/, timer: /^resources: \d+ Timeout/, memory: /^memory of JavaScript/, rejection: /^\d+ unhandled/, file: /^temporary files/ }
    const { leaks } = await measure(['bad input'], 500, { plants: Object.keys(plants), patienceMs: 0 })
    for (const [plant, told] of Object.entries(plants)) assert.ok(leaks.some((leak) => told.test(leak)), `${plant}: ${leaks.join('; ')}`)
  })
})
