'use strict'

// Readers and sources of the program itself that stop: what they hold, and what others notice.

const assert = require('node:assert/strict')
const { connect, createServer } = require('node:net')
const { buffer } = require('node:stream/consumers')
const { after, before, describe, test } = require('node:test')
const { Lab, noise } = require('../support/lab.js')

const MIB = 1024 * 1024

/** A proxy that counts the connections which are open at once. */
async function countingProxy(target) {
  const count = { open: 0, most: 0 }
  const server = createServer((client) => {
    count.open += 1
    count.most = Math.max(count.most, count.open)
    const upstream = connect(new URL(target).port, '127.0.0.1')
    const end = () => {
      client.destroy()
      upstream.destroy()
    }
    client.on('error', end).on('close', () => {
      count.open -= 1
      end()
    })
    upstream.on('error', end).on('close', end)
    client.pipe(upstream).pipe(client)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { count, url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() }
}

describe('limits', { timeout: 120_000 }, () => {
  let lab
  const body = noise(20 * MIB)
  before(async () => {
    lab = await Lab.start()
    await lab.storage().uploadFile({ key: 'film.bin', body })
  })
  after(() => lab.stop())

  test('downloads that are open count for maxConnections', async () => {
    const proxy = await countingProxy(lab.proxy)
    const storage = lab.storage({ endpoint: proxy.url, maxConnections: 2 })
    const objects = await Promise.all(Array.from({ length: 8 }, () => storage.download({ key: 'film.bin' })))
    assert.ok(storage.metrics().endpoints[0].inFlight <= 2)
    // One that was closed may be on its way here while the next one is made.
    assert.ok(proxy.count.most <= 4, `${proxy.count.most} connections`)
    // Each of them is whole, whoever gave its connection up meanwhile.
    const [first, ...others] = objects
    assert.ok((await buffer(first.body)).equals(body))
    for (const object of await Promise.all(others.map((object) => buffer(object.body)))) assert.ok(object.equals(body))
    assert.ok(proxy.count.most <= 4, `${proxy.count.most} connections`)
    storage.close()
    proxy.stop()
  })

  test('uploads get through beside downloads that nobody reads', async () => {
    const storage = lab.storage({ maxConnections: 2 })
    const held = [await storage.download({ key: 'film.bin' }), await storage.download({ key: 'film.bin' })]
    const receipts = await Promise.all([1, 2, 3].map((n) => storage.uploadFile({ key: `beside/${n}`, body: 'x' })))
    assert.equal(receipts.length, 3)
    for (const object of held) assert.ok((await buffer(object.body)).equals(body))
    storage.close()
  })

  test('a copy from a download to an upload works with one connection', async () => {
    const storage = lab.storage({ maxConnections: 1 })
    const object = await storage.download({ key: 'film.bin' })
    const receipt = await storage.uploadFile({ key: 'copy.bin', body: object.body })
    assert.equal(receipt.size, body.length)
    assert.ok(lab.stored('copy.bin').equals(body))
    storage.close()
  })

  test('a body that nobody reads ends with a typed error, and its connection before', async () => {
    const storage = lab.storage({ idleTimeoutMs: 300 })
    const object = await storage.download({ key: 'film.bin' })
    while (storage.metrics().endpoints[0].inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 20))
    await assert.rejects(buffer(object.body), {
      code: 'ETIMEDOUT',
      category: 'timeout',
      retryable: false,
      message: /timeout.*idleTimeoutMs/,
    })
    storage.close()
  })

  test('a stream that gives nothing ends the upload, at whatever byte it stops', async () => {
    const storage = lab.storage({ idleTimeoutMs: 300 })
    for (const first of [[], ['x'], [noise(17 * MIB)]]) {
      let cancelled = false
      const silent = new ReadableStream({
        start: (controller) => first.forEach((piece) => controller.enqueue(Buffer.from(piece))),
        cancel: () => {
          cancelled = true
        },
      })
      await assert.rejects(storage.uploadFile({ key: 'silent', body: silent }), {
        code: 'ETIMEDOUT',
        message: /idleTimeoutMs/,
      })
      while (!cancelled) await new Promise((resolve) => setTimeout(resolve, 10))
      assert.equal(lab.stored('silent'), undefined)
    }
    storage.close()
  })
})
