'use strict'

const assert = require('node:assert/strict')
const { after, afterEach, before, describe, test } = require('node:test')
const { Lab, noise } = require('../support/lab.js')

const MIB = 1024 * 1024

describe('conditional writes', () => {
  let lab
  let storage
  before(async () => {
    lab = await Lab.start()
    storage = lab.storage({ multipartThresholdBytes: 6 * MIB, partSizeBytes: 5 * MIB })
  })
  after(() => lab.stop())
  afterEach(() => lab.faults())

  for (const [name, size] of [
    ['one request', 10_000],
    ['parts', 11 * MIB],
  ]) {
    const [body, other] = [noise(size), noise(size + 1)]

    test(`ifNoneMatch keeps what is there (${name})`, async () => {
      const key = `none-${size}`
      await storage.uploadFile({ body, key, ifNoneMatch: '*' })
      const again = storage.uploadFile({ body: other, key, ifNoneMatch: '*' })
      await assert.rejects(again, { code: 'PreconditionFailed', status: 412, attempts: 1, retryable: false })
      assert.ok(lab.stored(key).equals(body))
    })

    test(`a 412 that we caused ourselves is a success (${name})`, async () => {
      const key = `lost-${size}`
      const last = size > 6 * MIB ? { method: 'POST', skip: 1 } : { method: 'PUT' }
      await lab.faults({ fault: 'dropResponse', times: 1, ...last })
      const { attempts } = await storage.uploadFile({ body, key, ifNoneMatch: '*' })
      assert.equal(attempts, 2)
      assert.ok(lab.stored(key).equals(body))
    })
  }

  for (const [name, size] of [
    ['one request', 10_000],
    ['parts', 11 * MIB],
  ]) {
    test(`whoever was refused and then finds somebody else's same bytes was not the first (${name})`, async () => {
      const [key, body] = [`same-${size}`, noise(size)]
      await storage.uploadFile({ body, key })
      const last = size > 6 * MIB ? { method: 'POST', skip: 1 } : { method: 'PUT' }
      await lab.faults({ fault: 'status', status: 503, code: 'SlowDown', times: 1, ...last })
      await assert.rejects(storage.uploadFile({ body, key, ifNoneMatch: '*' }), {
        code: 'PreconditionFailed',
        attempts: 2,
      })
    })
  }

  test('a 412 after a lost response stays one where somebody else was first', async () => {
    await storage.uploadFile({ body: 'theirs', key: 'race' })
    await lab.faults({ fault: 'reset', times: 1 })
    await assert.rejects(storage.uploadFile({ body: 'ours', key: 'race', ifNoneMatch: '*' }), {
      code: 'PreconditionFailed',
      attempts: 2,
    })
    assert.equal(lab.stored('race').toString(), 'theirs')
  })

  test('wrong conditions are refused', async () => {
    for (const [options, option] of [
      [{ ifNoneMatch: 'abc' }, 'ifNoneMatch'],
      [{ ifMatch: '' }, 'ifMatch'],
      [{ ifMatch: 'a\nb' }, 'ifMatch'],
      [{ ifMatch: 'a', ifNoneMatch: '*' }, 'ifMatch'],
    ]) {
      await assert.rejects(storage.uploadFile({ body: 'x', key: 'k', ...options }), { name: 'InputError', option })
    }
  })

  test('ifMatch is sent as an ETag in quotes, however it was written', async () => {
    const { etag } = await storage.uploadFile({ body: 'one', key: 'match' })
    const asSent = []
    for (const ifMatch of [etag, `"${etag}"`]) {
      await storage.uploadFile({ body: 'one', key: 'match', ifMatch })
      asSent.push(lab.stored('match').toString())
    }
    assert.deepEqual(asSent, ['one', 'one'])
    await assert.rejects(storage.uploadFile({ body: 'two', key: 'match', ifMatch: '0'.repeat(32) }), { status: 412 })
    assert.equal(lab.stored('match').toString(), 'one')
  })
})
