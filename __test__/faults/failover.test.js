'use strict'

const assert = require('node:assert/strict')
const { afterEach, describe, test } = require('node:test')
const { newStorage } = require('../../index.js')
const { startLocalR2 } = require('../../lib/testing/index.js')

const OUT = [{ fault: 'status', status: 503, code: 'ServiceUnavailable' }]
const keys = { accessKey: 'local', secretKey: 'local-secret' }

describe('failover and reconcile', { timeout: 120_000 }, () => {
  const open = []
  afterEach(() => Promise.all(open.splice(0).map((one) => (one.stop ? one.stop() : one.close()))))

  const servers = async (...conditions) => {
    const started = await Promise.all(conditions.map((kind) => startLocalR2({ ...keys, conditions: kind })))
    open.push(...started)
    return started
  }
  const storageOf = (...servers_) => {
    const endpoints = servers_.map(({ url }) => ({ endpoint: url }))
    const storage = newStorage({
      endpoints,
      region: 'auto',
      ...keys,
      bucket: 'pictures',
      logger: false,
      retry: { maxAttempts: 1 },
    })
    open.push(storage)
    return storage
  }
  const textAt = (server, key = 'k') => server.objects().get(key)?.body.toString()

  test('with three endpoints the newest write ends at the primary, whichever spare took it', async () => {
    const [a, b, c] = await servers('r2', 's3', 'r2')
    const storage = storageOf(a, b, c)
    a.faults(OUT)
    assert.equal((await storage.uploadFile({ key: 'k', body: 'older' })).endpoint, b.url)
    b.faults(OUT)
    assert.equal((await storage.uploadFile({ key: 'k', body: 'newest' })).endpoint, c.url)
    a.faults([])
    b.faults([])
    const { failed } = await storage.reconcile()
    assert.deepEqual([failed, textAt(a), textAt(b), textAt(c)], [[], 'newest', undefined, undefined])
  })

  for (const kind of ['r2', 's3', 'put', 'none']) {
    test(`the same bytes with other headers are another write, at a spare of the kind ${kind}`, async () => {
      const [a, b] = await servers('r2', kind)
      const storage = storageOf(a, b)
      await storage.uploadFile({ key: 'k', body: 'x', contentType: 'text/html', metadata: { owner: 'alice' } })
      a.faults(OUT)
      await storage.uploadFile({ key: 'k', body: 'x', contentType: 'text/plain', metadata: { owner: 'bob' } })
      a.faults([])
      assert.deepEqual((await storage.reconcile()).copied, ['k'])
      const { metadata, contentType, endpoint, failedOver } = await storage.head({ key: 'k' })
      assert.deepEqual([metadata, contentType, endpoint, failedOver], [{ owner: 'bob' }, 'text/plain', a.url, false])
      assert.deepEqual(await storage.reconcile(), { copied: [], superseded: [], failed: [] }, 'nothing is left to do')
      await storage.delete({ key: 'k' })
      await storage.reconcile()
      assert.equal(await storage.exists({ key: 'k' }), false)
    })
  }

  test('a conditional write is decided by the primary', async () => {
    const [a, b] = await servers('r2', 'r2')
    const storage = storageOf(a, b)
    const { etag } = await storage.uploadFile({ key: 'k', body: 'first', ifNoneMatch: '*' })
    a.faults(OUT)
    for (const condition of [{ ifNoneMatch: '*' }, { ifMatch: etag }]) {
      await assert.rejects(storage.uploadFile({ key: 'k', body: 'second', ...condition }), { status: 503 })
    }
    assert.equal(b.objects().size, 0)
  })

  test("while the primary is out, a spare's 404 is not a response", async () => {
    const [a, b] = await servers('r2', 'r2')
    const storage = storageOf(a, b)
    await storage.uploadFile({ key: 'k', body: 'important' })
    for (const fault of [OUT[0], { fault: 'status', status: 429, code: 'TooManyRequests' }, { fault: 'refuse' }]) {
      a.faults([fault])
      for (const read of ['exists', 'head', 'download']) {
        await assert.rejects(storage[read]({ key: 'k' }), (error) => error.code !== 'NotFound' && error.retryable)
      }
    }
    a.faults([])
    assert.equal(await storage.exists({ key: 'k' }), true)
    assert.equal(await storage.exists({ key: 'other' }), false)
  })

  test('a read names the endpoint that it came from, and an older object at a spare is superseded', async () => {
    const [a, b] = await servers('r2', 'r2')
    const storage = storageOf(a, b)
    a.faults(OUT)
    await storage.uploadFile({ key: 'k', body: 'v1' })
    a.faults([])
    await storage.uploadFile({ key: 'k', body: 'v2' })
    a.faults(OUT)
    const read = await storage.download({ key: 'k' })
    assert.deepEqual([read.endpoint, read.failedOver], [b.url, true])
    await read.body.cancel()
    a.faults([])
    assert.deepEqual((await storage.reconcile()).superseded, ['k'])
    assert.deepEqual([textAt(a), textAt(b)], ['v2', undefined])
  })

  test('a copy that is kept does not bring back what another tool deletes', async () => {
    const [a, b] = await servers('r2', 'r2')
    const storage = storageOf(a, b)
    a.faults(OUT)
    await storage.uploadFile({ key: 'k', body: 'v1' })
    a.faults([])
    assert.deepEqual((await storage.reconcile({ keep: true })).copied, ['k'])
    assert.deepEqual([textAt(a), textAt(b)], ['v1', 'v1'])
    await storageOf(a).delete({ key: 'k' })
    assert.deepEqual((await storage.reconcile({ keep: true })).copied, [])
    assert.equal(textAt(a), undefined)
    assert.equal(await storage.exists({ key: 'k' }), false)
  })

  test('the metadata entry of writes is refused and hidden', async () => {
    const [a] = await servers('r2')
    const storage = storageOf(a)
    for (const name of ['reliable-r2', 'Reliable-R2', 'x-amz-meta-reliable-r2']) {
      await assert.rejects(storage.uploadFile({ key: 'k', body: 'x', metadata: { [name]: '1' } }), {
        code: 'ERR_INVALID_METADATA',
      })
    }
    await assert.rejects(storage.uploadFile({ key: 'k', body: 'x', headers: { 'X-Amz-Meta-Reliable-R2': '1' } }), {
      code: 'ERR_INVALID_METADATA',
    })
    await storage.uploadFile({ key: 'k', body: 'x', metadata: { a: 'b' } })
    assert.deepEqual((await storage.head({ key: 'k' })).metadata, { a: 'b' })
  })

  test('a delete rejects while a spare does not respond, and deletes nothing', async () => {
    const [a, b] = await servers('r2', 'r2')
    const storage = storageOf(a, b)
    await storage.uploadFile({ key: 'k', body: 'x' })
    b.faults(OUT)
    await assert.rejects(storage.delete({ key: 'k' }), { status: 503 })
    assert.equal(textAt(a), 'x')
  })
})
