'use strict'

const assert = require('node:assert/strict')
const { mkdtempSync, readdirSync, rmSync, writeFileSync } = require('node:fs')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { Readable } = require('node:stream')
const { after, afterEach, before, describe, test } = require('node:test')
const { setTimeout: sleep } = require('node:timers/promises')
const { pathToFileURL } = require('node:url')
const { fromFile } = require('../../index.js')
const { Lab, noise } = require('../support/lab.js')

const MIB = 1024 * 1024
const LARGE = 17 * MIB + 5

describe('bodies that come as they come', { timeout: 120_000 }, () => {
  let lab
  let storage
  let folder
  const large = noise(LARGE)
  before(async () => {
    lab = await Lab.start()
    storage = lab.storage({
      multipartThresholdBytes: 6 * MIB,
      partSizeBytes: 5 * MIB,
      retry: { maxAttempts: 4, initialDelayMs: 10, maxDelayMs: 50, timeout: 20_000 },
    })
    folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-streams-'))
    writeFileSync(path.join(folder, 'large.bin'), large)
  })
  after(async () => {
    await lab.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  afterEach(() => lab.faults())

  const pieces = (body, size = 100_003) =>
    Array.from({ length: Math.ceil(body.length / size) }, (_, n) => body.subarray(n * size, (n + 1) * size))
  async function* slowly(body) {
    for (const piece of pieces(body)) {
      await null
      yield piece
    }
  }
  const openUploads = () => readdirSync(lab.folder).filter((name) => name.startsWith('.upload-'))

  test("a Response of node-fetch has a stream of Node's", async () => {
    const response = {
      [Symbol.toStringTag]: 'Response',
      ok: true,
      bodyUsed: false,
      body: Readable.from([Buffer.from('as it came')]),
      headers: new Headers({ 'content-type': 'text/csv' }),
      formData() {},
    }
    const { contentType } = await storage.uploadFile({ key: 'node-fetch', body: response })
    assert.deepEqual([contentType, lab.stored('node-fetch').toString()], ['text/csv', 'as it came'])
  })

  test('what is refused before it is read is let go of', async () => {
    let cancelled = 0
    const stream = () =>
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(10)),
        cancel: () => void (cancelled += 1),
      })
    await assert.rejects(storage.uploadFile({ key: 'k', body: stream(), contentLength: 2 ** 52 }), {
      option: 'contentLength',
    })
    await assert.rejects(storage.uploadFile({ key: 'k', body: stream(), contentLength: 10, maxBytes: 9 }), {
      code: 'ERR_TOO_LARGE',
    })
    assert.equal(cancelled, 2)
  })

  test('too large a stream is reported as it is, to everybody, and leaves nothing', async () => {
    const received = []
    const checkpoint = new Map()
    const own = lab.storage({
      multipartThresholdBytes: 6 * MIB,
      partSizeBytes: 5 * MIB,
      logger: { error: (line) => received.push(line) },
    })
    own.on('failure', ({ code, error }) => received.push([code, error.code]))
    for (const options of [{ body: new Blob([large]).stream() }, { body: Readable.from(pieces(large)), checkpoint }]) {
      await assert.rejects(own.uploadFile({ key: 'too-large', maxBytes: 12 * MIB, ...options }), {
        name: 'InputError',
        code: 'ERR_TOO_LARGE',
      })
    }
    assert.deepEqual(received, [
      ['ERR_TOO_LARGE', 'ERR_TOO_LARGE'],
      ['ERR_TOO_LARGE', 'ERR_TOO_LARGE'],
    ])
    assert.deepEqual([own.recentFailures(), openUploads()], [[], []])
    own.close()
  })

  test('a source that cannot be ended spoils nothing', async () => {
    for (const destroy of [
      () => {
        throw new Error('mine')
      },
      async () => {
        throw new Error('mine')
      },
    ]) {
      const body = {
        destroy,
        async *[Symbol.asyncIterator]() {
          yield 'x'
        },
      }
      assert.equal((await storage.uploadFile({ key: 'odd', body })).size, 1)
    }
    const controller = new AbortController()
    const body = {
      async *[Symbol.asyncIterator]() {
        controller.abort(null)
        throw new Error('mine')
      },
    }
    await storage
      .uploadFile({ key: 'odd', body, signal: controller.signal })
      .then(assert.fail, (reason) => assert.equal(reason, null))
  })

  const file = () => path.join(folder, 'large.bin')
  const kinds = {
    'a web stream': () => new Blob([large]).stream(),
    'a Node stream': () => Readable.from(pieces(large)),
    'an async iterable': () => slowly(large),
    'one chunk': () => Readable.from([large]),
    'a Request': () => new Request('http://localhost', { method: 'PUT', body: large }),
    'a Response': () => new Response(slowly(large)),
    'a large Blob': () => new Blob([large]),
    'a path': () => fromFile(file()),
    'a file URL': () => pathToFileURL(file()),
    bytes: () => large,
  }
  for (const [name, make] of Object.entries(kinds)) {
    test(`${name} of 17 MiB is stored whole, in parts, under resets`, async () => {
      await lab.faults({ fault: 'reset', method: 'PUT', times: 2 })
      const result = await storage.uploadFile({ body: make(), key: 'large.bin' })
      assert.ok(lab.stored('large.bin').equals(large))
      assert.equal(result.size, LARGE)
      assert.equal(result.parts, 4)
    })
  }

  test('a small stream goes in one request and survives resets', async () => {
    const body = noise(200_000)
    await lab.faults({ fault: 'reset', times: 2 })
    const result = await storage.uploadFile({ body: Readable.from(pieces(body, 999)), key: 'small.bin' })
    assert.ok(lab.stored('small.bin').equals(body))
    assert.deepEqual([result.parts, result.attempts], [1, 3])
  })

  test('strings, empty chunks and nothing at all', async () => {
    await storage.uploadFile({ body: Readable.from(['hé', '', 'llo']), key: 'text.txt' })
    assert.equal(lab.stored('text.txt').toString(), 'héllo')
    const { size } = await storage.uploadFile({ body: new Response(), key: 'empty' })
    assert.equal(size, 0)
  })

  test('the type comes from the Response, else from the first bytes', async () => {
    const png = Buffer.concat([Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), noise(50)])
    const typed = new Response(png, { headers: { 'content-type': 'image/webp' } })
    assert.equal((await storage.uploadFile({ body: typed, key: 'a' })).contentType, 'image/webp')
    assert.equal((await storage.uploadFile({ body: Readable.from([png]), key: 'a' })).contentType, 'image/png')
  })

  test('a source that fails stores nothing, and its own error is the cause', async () => {
    const cause = new Error('the disk is gone')
    const failing = async function* (bytes) {
      yield* pieces(noise(bytes))
      throw cause
    }
    for (const bytes of [1000, LARGE]) {
      const expected = { name: 'SourceError', code: 'ERR_SOURCE_FAILED', retryable: false }
      await assert.rejects(storage.uploadFile({ body: failing(bytes), key: 'failing' }), (error) => {
        assert.deepEqual({ name: error.name, code: error.code, retryable: error.retryable }, expected)
        assert.equal(error.cause, cause)
        return true
      })
      assert.equal(lab.stored('failing'), undefined)
    }
    assert.deepEqual(openUploads(), [])
  })

  test('a body that was cut on its way stores nothing', async () => {
    for (const size of [1000, LARGE]) {
      const request = new Request('http://localhost', {
        method: 'PUT',
        body: Readable.toWeb(Readable.from(pieces(noise(size)))),
        duplex: 'half',
        headers: { 'content-length': String(size + 1) },
      })
      await assert.rejects(storage.uploadFile({ body: request, key: 'cut' }), {
        code: 'ERR_SOURCE_LENGTH',
        category: 'source',
      })
      assert.equal(lab.stored('cut'), undefined)
    }
    const long = storage.uploadFile({ body: Readable.from(['abcd']), contentLength: 3, key: 'cut' })
    await assert.rejects(long, { code: 'ERR_SOURCE_LENGTH' })
    assert.equal(lab.stored('cut'), undefined)
  })

  test('an abort ends a source that hangs, and frees it', async () => {
    let cancelled
    const freed = new Promise((resolve) => (cancelled = resolve))
    const hanging = new ReadableStream({ pull: () => new Promise(() => {}), cancel: () => cancelled('freed') })
    const reason = new Error('enough')
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 50)
    await assert.rejects(storage.uploadFile({ body: hanging, key: 'hanging', signal: controller.signal }), reason)
    assert.equal(await freed, 'freed')
  })

  test('a deadline ends a source that hangs', async () => {
    const hanging = new ReadableStream({ pull: () => new Promise(() => {}) })
    const upload = storage.uploadFile({ body: hanging, key: 'hanging', retry: { deadlineMs: 100 } })
    await assert.rejects(upload, { name: 'TimeoutError', message: /timeout/ })
  })

  test('an upload that fails frees its source', async () => {
    await lab.faults({ fault: 'status', status: 403, code: 'AccessDenied' })
    const source = new Readable({
      read() {
        this.push(Buffer.alloc(65_536))
      },
    })
    await assert.rejects(storage.uploadFile({ body: source, key: 'endless' }), { status: 403 })
    assert.equal(source.destroyed, true)
  })

  test('an aborted upload in parts leaves none', async () => {
    const controller = new AbortController()
    await lab.faults({ fault: 'hang', method: 'PUT', skip: 1 })
    const upload = storage.uploadFile({ body: slowly(large), key: 'aborted', signal: controller.signal })
    const rejected = assert.rejects(upload, { name: 'AbortError' })
    while (openUploads().length === 0) await sleep(5)
    controller.abort()
    await rejected
    const deadline = Date.now() + 10_000
    while (openUploads().length > 0 && Date.now() < deadline) await sleep(10)
    assert.deepEqual(openUploads(), [])
  })

  test('progress of parts rises to 100', async () => {
    const percents = []
    await storage.uploadFile({
      body: large,
      key: 'progress',
      onProgress: (percent, { totalBytes }) => percents.push([percent, totalBytes]),
    })
    assert.deepEqual(
      percents.map(([percent]) => percent),
      percents.map(([percent]) => percent).sort((a, b) => a - b),
    )
    assert.deepEqual(percents.at(-1), [100, LARGE])
  })

  test('a chunk is stored as it was when it came, whatever happens to its memory while it waits', async () => {
    const seed = Number(process.env.CHUNKS_SEED ?? Date.now() % 1e9)
    const draw = random(seed)
    const pick = (list) => list[Math.floor(draw() * list.length)]
    const changes = {
      transferred: (view) => void structuredClone(view.buffer, { transfer: [view.buffer] }),
      smaller: (view) => view.buffer.resize(Math.floor(view.buffer.byteLength * draw())),
      overwritten: (view) => view.fill(0xff),
      unchanged() {},
    }
    const views = {
      'a fixed view': (memory) => new Uint8Array(memory, 0, memory.byteLength),
      'a view that follows its buffer': (memory) => new Uint8Array(memory),
      'a Buffer': (memory) => Buffer.from(memory, 0, memory.byteLength),
      words: (memory) => new Uint32Array(memory),
    }
    for (let round = 0; round < 12; round += 1) {
      const given = []
      const source = async function* () {
        const chunks = 1 + Math.floor(draw() * 4)
        for (let n = 0; n < chunks; n += 1) {
          const size = 4 * Math.floor(draw() * pick([100, MIB / 8, 2 * MIB]))
          const memory = new ArrayBuffer(size, { maxByteLength: size + 8 })
          const bytes = new Uint8Array(memory)
          for (let at = 0; at < size; at += 997) bytes[at] = draw() * 256
          given.push(bytes.slice())
          const [view, change] = [pick(Object.values(views))(memory), pick(Object.values(changes))]
          // While it waits: the pieces ahead are taken at once, the others later.
          const later = new Promise((resolve) => setImmediate(() => resolve(change(new Uint8Array(memory)))))
          yield view
          await later
        }
      }
      const key = `chunks-${round}`
      await storage.uploadFile({ body: source(), key })
      assert.ok(lab.stored(key).equals(Buffer.concat(given)), `CHUNKS_SEED=${seed}, round ${round}`)
    }
  })

  test('memory is bounded: a source is asked for no more than fits', async () => {
    let produced = 0
    let most = 0
    const piece = noise(MIB)
    const source = (async function* () {
      for (let n = 0; n < 60; n += 1) {
        produced += piece.length
        const sent = (await received(lab)) ?? 0
        most = Math.max(most, produced - sent)
        yield piece
      }
    })()
    await storage.uploadFile({ body: source, key: 'bounded' })
    // Threshold, parts in flight, the next one, and the pieces that wait.
    assert.ok(most <= (6 + 5 * 5 + 8) * MIB, `${most / MIB} MiB ahead`)
  })
})

/** Mulberry32: numbers from 0 to 1 that are the same for the same seed. */
function random(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Bytes of parts that the proxy has seen to their end. */
async function received(lab) {
  return (await lab.events()).reduce((sum, event) => sum + event.bodyBytes, 0)
}
