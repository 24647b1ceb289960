'use strict'

// What must work in every runtime that loads Node addons. Plain assertions: not every runtime has node:test.
// Arguments: the proxy's URL, its control port's URL, the secret key.

const assert = require('node:assert/strict')
const { createHash } = require('node:crypto')
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { Readable } = require('node:stream')
const { fromFile, newStorage, retryWithBackoff, StorageError } = require('../../index.js')

const [endpoint, control, secretKey] = process.argv.slice(2)
const MIB = 1024 * 1024
const retry = { maxAttempts: 4, initialDelayMs: 10, maxDelayMs: 50, timeout: 20_000 }
const options = {
  endpoint,
  bucket: 'pictures',
  accessKey: 'local',
  secretKey,
  retry,
  logger: false,
  multipartThresholdBytes: 5 * MIB,
  partSizeBytes: 5 * MIB,
}

const unhandled = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))
const faults = async (...rules) => {
  const response = await fetch(`${control}/faults`, { method: 'PUT', body: JSON.stringify({ faults: rules }) })
  assert.ok(response.ok, await response.text())
}
const bytes = (size) => Buffer.alloc(size, 'reliable')
const md5 = (body) => createHash('md5').update(body).digest('hex')

const checks = {
  async 'bytes, under resets'(storage) {
    await faults({ fault: 'reset', method: 'PUT', times: 2 })
    const retries = []
    const percents = []
    const body = bytes(300_000)
    const result = await storage.uploadFile({
      key: 'bytes.bin',
      body,
      onRetry: ({ code }) => retries.push(code),
      onProgress: (percent) => percents.push(percent),
    })
    assert.deepEqual([result.attempts, result.etag, retries.length], [3, md5(body), 2])
    assert.equal(percents.at(-1), 100)
  },
  async 'streams, blobs, files, responses'(storage, folder) {
    const body = bytes(11 * MIB)
    const file = path.join(folder, 'file.bin')
    writeFileSync(file, body)
    const bodies = [
      Readable.from([body]),
      new Blob([body]).stream(),
      new Blob([body]),
      fromFile(file),
      new Response(body),
    ]
    for (const source of bodies) {
      const result = await storage.uploadFile({ key: 'stream.bin', body: source, sha256: true })
      assert.deepEqual([result.size, result.parts], [body.length, 3])
      assert.equal(result.sha256, createHash('sha256').update(body).digest('hex'))
    }
  },
  async 'a source that fails'(storage) {
    const cause = new Error('mine')
    const failing = (async function* () {
      yield bytes(1000)
      throw cause
    })()
    await assert.rejects(storage.uploadFile({ key: 'failing', body: failing }), (error) => error.cause === cause)
    assert.equal(await storage.exists({ key: 'failing' }), false)
  },
  async 'download, under a break'(storage) {
    await faults({ fault: 'truncate', method: 'GET', times: 1 })
    const { body } = await storage.download({ key: 'bytes.bin' })
    assert.equal(md5(Buffer.from(await new Response(body).arrayBuffer())), md5(bytes(300_000)))
  },
  async 'list, head, presign, delete'(storage) {
    const keys = []
    for await (const { key } of storage.list({ prefix: 'bytes' })) keys.push(key)
    assert.deepEqual(keys, ['bytes.bin'])
    assert.equal((await storage.head({ key: 'bytes.bin' })).size, 300_000)
    assert.match((await storage.presign({ key: 'bytes.bin' })).url, /X-Amz-Signature=/)
    await storage.delete({ key: 'bytes.bin' })
    assert.equal(await storage.exists({ key: 'bytes.bin' }), false)
  },
  async errors(storage) {
    await faults({ fault: 'refuse' })
    await assert.rejects(storage.uploadFile({ key: 'a', body: 'a', retry: 'fast' }), (error) => {
      assert.ok(error instanceof StorageError)
      assert.ok(error.message.includes(error.code) && error.stack.includes('uploadFile'))
      return true
    })
    await assert.rejects(storage.uploadFile({ key: '', body: 'a' }), { code: 'ERR_INVALID_KEY' })
    let calls = 0
    assert.equal(
      await retryWithBackoff(
        () => ((calls += 1) < 3 ? Promise.reject(Object.assign(new Error('x'), { code: 'ECONNRESET' })) : 'done'),
        { initialDelayMs: 1, maxDelayMs: 2 },
      ),
      'done',
    )
  },
  async 'abort, in every phase'(storage) {
    for (const fault of ['hang', 'stopReading', 'slow']) {
      await faults({ fault, method: 'PUT', bytesPerSecond: 1000 })
      for (const size of [200_000, 11 * MIB]) {
        const controller = new AbortController()
        setTimeout(() => controller.abort(), 30)
        await assert.rejects(storage.uploadFile({ key: 'aborted', body: bytes(size), signal: controller.signal }), {
          name: 'AbortError',
        })
      }
    }
  },
  async close(storage) {
    await faults({ fault: 'hang', method: 'PUT' })
    const closing = newStorage(options)
    const upload = assert.rejects(closing.uploadFile({ key: 'closed', body: 'a' }), { code: 'ERR_CLOSED' })
    setTimeout(() => closing.close(), 30)
    await upload
    await faults()
    const leftovers = async () => (await storage.abortIncompleteUploads({ olderThan: new Date(0) })).kept
    const patience = Date.now() + 10_000
    while ((await leftovers()) > 0 && Date.now() < patience) await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(await leftovers(), 0, 'what was aborted has left nothing')
  },
}

async function main() {
  const folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-smoke-'))
  const storage = newStorage(options)
  try {
    for (const [name, check] of Object.entries(checks)) {
      await check(storage, folder)
      await faults()
      console.log(`ok ${name}`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.deepEqual(unhandled, [])
}

// The end must come by itself: nothing may hold the process.
main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
