'use strict'

const assert = require('node:assert/strict')
const { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } = require('node:fs')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { Readable } = require('node:stream')
const { after, afterEach, before, describe, test } = require('node:test')
const { setTimeout: sleep } = require('node:timers/promises')
const { Lab, noise } = require('../support/lab.js')

const MIB = 1024 * 1024
/** Three parts of 5 MiB and one of 2. */
const SIZE = 17 * MIB

describe('uploads that continue where they left off', { timeout: 120_000 }, () => {
  let lab
  let storage
  let folder
  const body = noise(SIZE)
  before(async () => {
    lab = await Lab.start()
    const retry = { maxAttempts: 2, initialDelayMs: 10, maxDelayMs: 50, timeout: 20_000 }
    storage = lab.storage({ multipartThresholdBytes: 5 * MIB, partSizeBytes: 5 * MIB, partConcurrency: 1, retry })
    folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-resume-'))
  })
  after(async () => {
    await lab.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  afterEach(async () => {
    await lab.faults()
    await storage.abortIncompleteUploads({ olderThan: new Date(Date.now() + 1000) })
  })

  const openUploads = () => readdirSync(lab.folder).filter((name) => name.startsWith('.upload-')).length
  /** Fails in the third part. */
  const failingOnce = async (options, open = 1) => {
    await lab.faults({ fault: 'status', status: 403, code: 'AccessDenied', method: 'PUT', skip: 2, times: 1 })
    await assert.rejects(storage.uploadFile(options), { code: 'AccessDenied' })
    assert.equal(openUploads(), open, 'it stays')
    await lab.faults()
  }
  const puts = async () => (await lab.events()).filter(({ method }) => method === 'PUT').length

  const file = () => path.join(folder, 'upload.json')
  const places = {
    'a file': file,
    'a Map': () => new Map(),
    'an asynchronous store': () => {
      const map = new Map()
      return {
        get: async (id) => map.get(id),
        set: async (id, text) => void map.set(id, text),
        delete: async (id) => void map.delete(id),
        map,
      }
    },
  }
  test('a store that hangs costs a warning and some seconds, and holds neither an abort nor the result', async () => {
    const never = () => new Promise(() => {})
    const hanging = { get: never, set: never, delete: never }
    const aborted = storage.uploadFile({
      key: 'hung.bin',
      body: 'x',
      checkpoint: hanging,
      signal: AbortSignal.timeout(50),
    })
    await assert.rejects(aborted, { name: 'TimeoutError' })
    const warnings = []
    const listen = ({ message }) => warnings.push(message)
    process.on('warning', listen)
    await storage.uploadFile({ key: 'hung.bin', body: 'x', checkpoint: { ...hanging, get: async () => undefined } })
    await sleep(10)
    process.off('warning', listen)
    assert.ok(
      warnings.some((text) => /a checkpoint could not be removed.*has not responded for 5 s/.test(text)),
      warnings.join(),
    )
    assert.equal(lab.stored('hung.bin').toString(), 'x')
  })

  for (const [name, make] of Object.entries(places)) {
    test(`with ${name}: only what is missing is sent`, async () => {
      const checkpoint = make()
      const options = { key: 'resumed.bin', body, checkpoint }
      await failingOnce(options)
      const result = await storage.uploadFile(options)
      assert.ok(lab.stored('resumed.bin').equals(body))
      assert.deepEqual([result.parts, result.resumedParts, await puts()], [4, 2, 2])
      assert.equal(openUploads(), 0)
      const left = typeof checkpoint === 'string' ? existsSync(checkpoint) : (checkpoint.map ?? checkpoint).size > 0
      assert.equal(left, false, 'the checkpoint is gone')
    })
  }

  test('streams and compressed bodies, too', async () => {
    const text = Buffer.from(body.toString('base64'))
    for (const options of [
      { body: () => Readable.from([body]) },
      { body: () => text, compress: 'gzip', contentType: 'text/plain' },
    ]) {
      const make = () => ({ ...options, body: options.body(), key: 'stream.bin', checkpoint: file() })
      await failingOnce(make())
      const result = await storage.uploadFile(make())
      assert.equal(result.resumedParts, 2)
    }
  })

  test('a source that changed is not mixed with what it was', async () => {
    const changed = Buffer.from(body)
    changed[6 * MIB] ^= 1
    const longer = Buffer.concat([body, Buffer.from('!')])
    for (const [now, resumed] of [
      [changed, 1],
      [longer, 0],
      [body.subarray(0, 11 * MIB), 0],
    ]) {
      const options = { key: 'changed.bin', checkpoint: file() }
      await failingOnce({ ...options, body })
      const result = await storage.uploadFile({ ...options, body: now })
      assert.ok(lab.stored('changed.bin').equals(now))
      assert.equal(result.resumedParts, resumed)
      assert.equal(openUploads(), 0, 'the old one is removed')
    }
  })

  test('other headers are another upload', async () => {
    const options = { key: 'headers.bin', body, checkpoint: file() }
    await failingOnce(options)
    const result = await storage.uploadFile({ ...options, contentType: 'image/png' })
    assert.deepEqual([result.resumedParts, openUploads()], [0, 0])
    assert.equal((await storage.head({ key: 'headers.bin' })).contentType, 'image/png')
  })

  test('an upload that the storage has forgotten begins anew', async () => {
    const options = { key: 'forgotten.bin', body, checkpoint: file() }
    await failingOnce(options)
    const { removed } = await storage.abortIncompleteUploads({ olderThan: new Date(Date.now() + 1000) })
    assert.deepEqual(
      removed.map(({ key }) => key),
      ['forgotten.bin'],
    )
    assert.equal((await storage.uploadFile(options)).resumedParts, 0)
    assert.ok(lab.stored('forgotten.bin').equals(body))
  })

  test('a list of parts that the storage cannot have sent says nothing of the upload, which is resumed later', async () => {
    const options = { key: 'impostor.bin', body, checkpoint: file() }
    await failingOnce(options)
    const part = '<Part><PartNumber>1</PartNumber><ETag>"00000000000000000000000000000000"</ETag><Size>5</Size></Part>'
    const xml = `<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>1</NextPartNumberMarker>${part}</ListPartsResult>`
    const text = `HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\ncontent-length: ${xml.length}\r\n\r\n${xml}`
    await lab.faults({ fault: 'raw', method: 'GET', response: [{ text }] })
    await assert.rejects(storage.uploadFile(options), { code: 'ERR_PROTOCOL', message: /does not end/ })
    assert.equal(await puts(), 0)
    await lab.faults()
    assert.deepEqual((await storage.uploadFile(options)).resumedParts, 2)
    assert.ok(lab.stored('impostor.bin').equals(body))
  })

  test('a checkpoint that is none, or of another object', async () => {
    const options = { key: 'odd.bin', body, checkpoint: file() }
    for (const text of ['', 'null', '[]', '{"version":1}', '{"version":99,"key":"odd.bin"}', '\0\0\0']) {
      writeFileSync(file(), text)
      assert.equal((await storage.uploadFile(options)).resumedParts, 0, text)
    }
    await failingOnce(options)
    const saved = readFileSync(file(), 'utf8')
    assert.ok(!saved.includes('CANARY') && !saved.includes('local'), 'no key of the storage')
    await assert.rejects(storage.uploadFile({ ...options, key: 'another.bin' }), {
      code: 'ERR_INVALID_OPTION',
      option: 'checkpoint',
    })
    assert.equal(readFileSync(file(), 'utf8'), saved)
    rmSync(file())
  })

  test('a store that fails costs a warning, not the upload', async () => {
    const warnings = []
    const warn = (warning) => warnings.push(warning.name)
    process.on('warning', warn)
    const fail = () => Promise.reject(new Error('the store is down'))
    for (const checkpoint of [{ get: fail, set: fail, delete: fail }, path.join(folder, 'no', 'such', 'folder')]) {
      await storage.uploadFile({ key: 'store.bin', body, checkpoint })
      assert.ok(lab.stored('store.bin').equals(body))
    }
    await sleep(10)
    process.off('warning', warn)
    assert.ok(warnings.includes('ReliableR2Warning'))
  })

  test('a small object needs none', async () => {
    const result = await storage.uploadFile({ key: 'small.bin', body: 'small', checkpoint: file() })
    assert.deepEqual([result.parts, 'resumedParts' in result, existsSync(file())], [1, false, false])
  })

  test('cleanup removes what is old, and no more', async () => {
    const begun = ['old/a', 'old/b', 'other/c']
    for (const [index, key] of begun.entries()) await failingOnce({ key, body, checkpoint: new Map() }, index + 1)
    assert.deepEqual(await storage.abortIncompleteUploads(), { removed: [], kept: 3 })
    const olderThan = new Date(Date.now() + 1000)
    await lab.faults(
      { fault: 'reset', method: 'DELETE', times: 1 },
      { fault: 'status', status: 503, code: 'SlowDown', method: 'GET', times: 1 },
    )
    // One more than the faults take: the proxy closes what is kept when its rules change, and a request may meet that.
    const { removed, kept } = await storage.abortIncompleteUploads({
      prefix: 'old/',
      olderThan,
      retry: { maxAttempts: 4 },
    })
    assert.deepEqual([removed.map(({ key }) => key), kept, openUploads()], [['old/a', 'old/b'], 0, 1])
    assert.ok(removed.every(({ uploadId, initiated }) => uploadId && initiated instanceof Date))
    assert.equal((await storage.abortIncompleteUploads({ olderThan })).removed.length, 1)
    for (const wrong of [
      { olderThan: 'x' },
      { olderThan: new Date(NaN) },
      { prefix: 'a'.repeat(1025) },
      { older: 1 },
    ]) {
      await assert.rejects(storage.abortIncompleteUploads(wrong), { code: 'ERR_INVALID_OPTION' })
    }
  })
})
