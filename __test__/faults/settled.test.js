'use strict'

// An upload whose last response was lost: what is stored is no failure.

const assert = require('node:assert/strict')
const { after, before, describe, test } = require('node:test')
const { Lab, noise } = require('../support/lab.js')

describe('a lost last response', () => {
  let lab
  let storage
  const body = noise(10_000)
  before(async () => {
    lab = await Lab.start()
    storage = lab.storage()
  })
  after(() => lab.stop())

  const methods = async () => (await lab.events()).map(({ method }) => method)
  const upload = (key, options) => storage.uploadFile({ body, key, contentType: 'image/png', ...options })

  for (const fault of [
    { fault: 'dropResponse' },
    { fault: 'partialHead' },
    { fault: 'badEtag' },
    { fault: 'delay', ms: 60_000 },
  ]) {
    test(`is settled by a HEAD (${fault.fault})`, async () => {
      await lab.faults({ ...fault, method: 'PUT' })
      const retry = { maxAttempts: 2, timeout: fault.ms ? 300 : 2000 }
      const result = await upload(fault.fault, { metadata: { author: 'me' }, cacheControl: 'no-store', retry })
      assert.deepEqual([result.confirmedByHead, result.attempts, result.size], [true, 2, body.length])
      assert.deepEqual(await methods(), fault.ms ? ['HEAD'] : ['PUT', 'PUT', 'HEAD'])
      assert.ok(lab.stored(fault.fault).equals(body))
    })
  }

  test('is looked up again where the HEAD fails, too', async () => {
    await lab.faults({ fault: 'dropResponse', method: 'PUT' }, { fault: 'reset', method: 'HEAD', times: 1 })
    assert.equal((await upload('again')).confirmedByHead, true)
  })

  test('may be that of an attempt before the last', async () => {
    const unavailable = { fault: 'status', status: 503, code: 'ServiceUnavailable', method: 'PUT' }
    await lab.faults({ fault: 'dropResponse', method: 'PUT', times: 1 }, unavailable)
    assert.equal((await upload('before')).confirmedByHead, true)
  })

  test('a response that came needs no HEAD', async () => {
    await lab.faults({ fault: 'status', status: 503, code: 'ServiceUnavailable', method: 'PUT' })
    await assert.rejects(upload('responded'), { code: 'ServiceUnavailable', attempts: 4 })
    assert.deepEqual(await methods(), ['PUT', 'PUT', 'PUT', 'PUT'])
    await lab.faults()
    assert.equal((await upload('responded')).confirmedByHead, undefined)
  })

  test('nothing stored, or other bytes, stays a failure', async () => {
    await lab.faults()
    await upload('other', { body: 'other bytes' })
    await lab.faults({ fault: 'reset', method: 'PUT' })
    for (const key of ['nothing', 'other']) await assert.rejects(upload(key), { code: 'ECONNRESET', attempts: 4 })
  })

  test('the same bytes with other headers stay a failure', async () => {
    await lab.faults()
    await upload('headers')
    await lab.faults({ fault: 'reset', method: 'PUT' })
    for (const options of [
      { contentType: 'image/jpeg' },
      { metadata: { author: 'me' } },
      { cacheControl: 'no-store' },
    ]) {
      await assert.rejects(upload('headers', options), { code: 'ECONNRESET' })
    }
  })

  test('a deadline that is over leaves no time for it', async () => {
    await lab.faults({ fault: 'hang' })
    await assert.rejects(upload('late', { retry: { deadlineMs: 500 } }), { code: 'ETIMEDOUT' })
    await lab.faults({ fault: 'dropResponse', method: 'PUT' }, { fault: 'hang', method: 'HEAD' })
    const started = performance.now()
    await assert.rejects(upload('hangs', { retry: { maxAttempts: 2, deadlineMs: 1500 } }), { code: 'ECONNRESET' })
    // A safety net: without the deadline it would be two seconds and more.
    assert.ok(performance.now() - started < 1900)
  })
})
