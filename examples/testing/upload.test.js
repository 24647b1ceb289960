import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { newStorage } from 'reliable-r2'
import { startLocalR2 } from 'reliable-r2/testing'

let r2
before(async () => (r2 = await startLocalR2()))
afterEach(() => r2.reset())
after(() => r2.stop())

test('an upload survives a connection that is reset in the middle of the body', async () => {
  r2.faults([{ fault: 'reset', method: 'PUT', times: 2 }])
  const storage = newStorage({ ...r2.config, retry: 'persistent' })

  const { attempts } = await storage.uploadFile({ key: 'cat.png', body: Buffer.alloc(100_000, 'cat') })

  assert.equal(attempts, 3)
  assert.equal(r2.objects().get('cat.png').size, 100_000)
  assert.deepEqual(
    r2.events().map(({ action }) => action),
    ['reset', 'reset', 'forward'],
  )
})

test('a bucket that may not be written to fails at once', async () => {
  r2.faults([{ fault: 'status', status: 403, code: 'AccessDenied' }])
  const storage = newStorage({ ...r2.config, logger: false })

  await assert.rejects(storage.uploadFile({ key: 'cat.png', body: 'cat' }), { code: 'AccessDenied', attempts: 1 })
})
