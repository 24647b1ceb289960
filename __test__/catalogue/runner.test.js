'use strict'

// What the catalogue's runner is trusted to find, it finds: each case here breaks one rule on purpose.

const assert = require('node:assert/strict')
const { after, before, test } = require('node:test')
const net = require('node:net')
const { Lab } = require('../support/lab.js')
const { runCase } = require('./support/runner.js')
const { rows } = require('./index.js')
const { status } = require('./support/cases.js')

let lab
before(async () => {
  lab = await Lab.start()
  const first = lab.storage()
  await first.uploadFile({ body: 'x', key: 'first.txt' })
  first.close()
})
after(() => lab.stop())

const upload = (context, options) => context.storage.uploadFile({ body: context.body, ...options })
const fine = { ok: true, attempts: 1 }

const table = {
  'another code': [
    { faults: [status(500, 'InternalError')], expect: { code: 'SlowDown', attempts: 4 } },
    /code: InternalError/,
  ],
  'success in place of failure': [{ expect: { code: 'SlowDown' } }, /it succeeded/],
  'failure in place of success': [{ faults: [status(403, 'AccessDenied')], expect: fine }, /it failed/],
  'more attempts': [{ faults: [{ fault: 'reset', times: 1 }], expect: fine }, /attempts: 2 instead of 1/],
  'a request too many': [
    {
      call: async (context, options) => {
        await upload(context, options)
        return upload(context, options)
      },
      expect: { ...fine, requests: 1 },
    },
    /requests that the server saw/,
  ],
  'other bytes': [
    { call: (context, options) => upload(context, { ...options, body: 'other' }), expect: fine },
    /stored: 5 bytes/,
  ],
  'bytes in spite of a failure': [
    {
      call: async (context, options) => {
        await upload(context, options)
        return upload(context, { ...options, key: '..' })
      },
      expect: { code: 'ERR_INVALID_KEY', attempts: 0 },
    },
    /stored/,
  ],
  'too much time': [{ expect: { ...fine, withinMs: [0, 0] } }, /time: \d+ ms/],
  'a secret': [
    { call: (context) => upload(context, { key: 'CANARY.bin' }), expect: { ...fine, stored: 'any' } },
    /a secret was said/,
  ],
  'an upload in parts': [
    {
      body: 11 * 1024 * 1024,
      faults: [
        { ...status(403, 'AccessDenied'), method: 'PUT' },
        { ...status(500, 'InternalError'), method: 'DELETE' },
      ],
      expect: { code: 'AccessDenied' },
    },
    /uploads in parts left/,
  ],
  'a rejection that nobody handles': [
    {
      call: (context, options) => {
        Promise.reject(new Error('lost'))
        return upload(context, options)
      },
      expect: fine,
    },
    /unhandledRejection: Error: lost/,
  ],
  'a warning': [
    {
      call: (context, options) => {
        process.emitWarning('odd')
        return upload(context, options)
      },
      expect: fine,
    },
    /warning: Warning: odd/,
  ],
}

for (const [what, [broken, expected]] of Object.entries(table)) {
  test(`the runner finds ${what}`, async (t) => {
    // node:test takes rejections for its own; here they are the runner's.
    const kept = process.listeners('unhandledRejection')
    process.removeAllListeners('unhandledRejection')
    t.after(() => kept.forEach((listener) => process.on('unhandledRejection', listener)))
    const { problems } = await runCase({ id: 'T' }, broken, lab)
    assert.ok(
      problems.some((problem) => expected.test(problem)),
      problems.join('\n') || 'nothing was found',
    )
  })
}

test('the runner finds a socket', {
  skip: process.platform !== 'linux' && 'descriptors are counted in /proc',
}, async (t) => {
  const left = []
  t.after(() => left.forEach((close) => close()))
  const leaking = {
    call: async (context, options) => {
      const socket = net.connect(new URL(context.lab.control).port, '127.0.0.1')
      left.push(() => socket.destroy())
      await new Promise((resolve) => socket.once('connect', resolve))
      return upload(context, options)
    },
    expect: fine,
  }
  assert.match((await runCase({ id: 'T' }, leaking, lab)).problems.join(), /left open/)
})

test('what is as it should be has no problem', async () => {
  assert.deepEqual((await runCase({ id: 'T' }, { expect: fine }, lab)).problems, [])
})

test('every test that covers a row exists', async () => {
  const { verifyCovered } = await import('../../scripts/lib/catalogue.mjs')
  assert.deepEqual([...(await verifyCovered(rows, { run: false }))], [])
})
