'use strict'

// Only the storage's own response counts as success. A server gives each request a response drawn at random, and
// carries the request out or not, at random. Whenever a call succeeds, the server's state agrees; whenever it fails, the
// error is typed. A failure prints the seed that draws the same again:
//
//   PROTOCOL_SEED=123 node --test __test__/faults/protocol.test.js
//
// PROTOCOL_RUNS=5000 draws more.

const assert = require('node:assert/strict')
const { createHash } = require('node:crypto')
const { createServer } = require('node:net')
const { describe, test } = require('node:test')
const { buffer } = require('node:stream/consumers')
const { StorageError, newStorage } = require('../../index.js')

const md5 = (bytes) => createHash('md5').update(bytes).digest('hex')

/** Numbers that are the same for the same seed (xorshift32). */
function dice(seed) {
  let state = seed >>> 0 || 1
  const roll = (sides) => {
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state % sides
  }
  return { roll, one: (...of) => of[roll(of.length)], chance: (percent) => roll(100) < percent }
}

// What portals, proxies, web servers and other services send. Their ETags are of any form but the MD5 of what was sent,
// which only a server knows that has it.
const PAGE = '<!DOCTYPE html><html><body>Please log in</body></html>'
const BODIES = [
  '',
  '',
  ' \r\n',
  PAGE,
  'ok',
  '{"ok":true}',
  '<Error><Code>InternalError</Code><Message>no</Message></Error>',
  ' \n<?xml version="1.0"?>\n<Error><Code>SlowDown</Code></Error>',
  '<ListBucketResult>',
  '<ListBucketResult><Contents><Key>x</Key>',
  '<InitiateMultipartUploadResult><UploadId>x',
]
const ETAGS = [
  undefined,
  undefined,
  '""',
  '"   "',
  '"q"',
  'q',
  'W/"13-abc"',
  'W/q',
  '"5f1a2b3c-264"',
  '"a b"',
  '"half',
  `"${md5('other')}"`,
  `W/"${md5('other')}"`,
  `"${md5('other')}-2"`,
]
const STATUSES = [
  200, 200, 200, 200, 201, 202, 203, 204, 205, 206, 207, 226, 299, 302, 400, 403, 404, 500, 501, 502, 503,
]

/** A response of something else, as { head, body, cut }. */
function foreign({ roll, one, chance }) {
  const status = one(...STATUSES)
  const etag = one(...ETAGS)
  const headers = {
    'content-type': one('text/html; charset=utf-8', 'text/plain', 'application/json', 'application/xml', undefined),
    etag,
  }
  if (chance(30)) headers.server = 'nginx'
  if (chance(30)) headers['x-amz-request-id'] = 'other'
  if (chance(20)) headers.date = new Date(Date.now() + one(-1, 1) * 3_600_000).toUTCString()
  if (chance(20)) headers['last-modified'] = new Date(0).toUTCString()
  if (chance(15)) headers['content-range'] = one('bytes 0-1/2', 'bytes 5-9/10', 'bytes */0', 'bytes 0-0/*')
  if (chance(10)) headers.location = '/login'
  if (chance(10)) headers['x-amz-checksum-crc64nvme'] = 'AAAAAAAAAAE='
  return { status, headers, body: one(...BODIES), cut: chance(5) ? roll(60) : undefined, early: chance(20) }
}

/**
 * Whether nothing distinguishes a response from the storage's: its status is that of the operation, and it needs no more, or has the
 * ETag of some object. Who sends that in the storage's place lies; there is no defence in one response.
 */
function isPerfect(method, search, { status, headers, body, cut }) {
  if (cut !== undefined) return false
  const isPage = /html/.test(headers['content-type'] ?? '')
  const isStrong = /^"?[\w-]+"?$/.test(headers.etag ?? '')
  const isDigest =
    /^"?[0-9a-f]{32}(-\d+)?"?$/.test(headers.etag ?? '') || /^W\/"[0-9a-f]{32}"$/.test(headers.etag ?? '')
  if (method === 'DELETE') return [200, 204].includes(status) && (status === 204 || body.trim() === '')
  if (method === 'HEAD')
    return status === 200
      ? isDigest || (isStrong && (!isPage || 'x-amz-request-id' in headers))
      : status === 404 && !isPage
  if (method === 'GET' && !/uploads|uploadId|list-type/.test(search))
    return [200, 206].includes(status) ? isDigest || isStrong : status === 404 && !isPage && body.trim() === ''
  return false
}

/** A small S3, over a plain socket. `draw` gives the response to send in place of its own, or nothing. */
async function startServer(options) {
  const state = { objects: new Map(), uploads: new Map(), requests: 0 }
  const server = createServer((socket) => {
    socket.on('error', () => {})
    let received = Buffer.alloc(0)
    socket.on('data', (piece) => {
      received = Buffer.concat([received, piece])
      const end = received.indexOf('\r\n\r\n')
      if (end < 0) return
      const head = received.toString('latin1', 0, end)
      const [line, ...fields] = head.split('\r\n')
      const [method, target] = line.split(' ')
      const headers = Object.fromEntries(
        fields.map((field) => [
          field.slice(0, field.indexOf(':')).toLowerCase(),
          field.slice(field.indexOf(':') + 1).trim(),
        ]),
      )
      const length = Number(headers['content-length'] ?? 0)
      const drawn = (socket.drawn ??= { instead: options.draw(method, target) })
      const isWhole = received.length >= end + 4 + length
      if (!isWhole && !drawn.instead?.early) return
      const body = received.subarray(end + 4, end + 4 + length)
      received = received.subarray(end + 4 + length)
      socket.drawn = undefined
      state.requests += 1
      const request = { method, headers, body, url: new URL(target, 'http://x') }
      const { instead } = drawn
      const carriedOut = isWhole && (!instead || instead.stores) ? respond(state, request, options) : undefined
      send(socket, method, instead?.response ?? carriedOut, instead?.response.cut)
      if (!isWhole) socket.end()
    })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { state, url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() }
}

function send(socket, method, { status, headers, body = '' }, cut) {
  const bytes = Buffer.from(body)
  const all = {
    date: new Date().toUTCString(),
    'content-length': status === 204 ? undefined : bytes.length,
    ...headers,
  }
  const lines = Object.entries(all)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}`)
  const text = Buffer.concat([
    Buffer.from(`HTTP/1.1 ${status} Whatever\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1'),
    method === 'HEAD' || status === 204 ? Buffer.alloc(0) : bytes,
  ])
  if (cut === undefined) socket.write(text)
  else socket.end(text.subarray(0, cut))
}

const xml = (name, inner) => ({
  status: 200,
  headers: { 'content-type': 'application/xml' },
  body: `<?xml version="1.0"?><${name}>${inner}</${name}>`,
})
const error = (status, code) => ({
  status,
  headers: { 'content-type': 'application/xml' },
  body: `<Error><Code>${code}</Code><Message>no</Message></Error>`,
})

/** What S3 does, and its response. */
function respond({ objects, uploads }, { method, headers, body, url }, { checksums, opaque, encrypted }) {
  const key = decodeURIComponent(url.pathname.split('/').slice(2).join('/'))
  const query = url.searchParams
  const etagOf = (bytes) =>
    encrypted ? md5(`${encrypted}${bytes.length}`) : opaque ? `opaque${md5(bytes).slice(0, 8)}` : md5(bytes)
  const verified = checksums ? { 'x-amz-checksum-crc64nvme': headers['x-amz-checksum-crc64nvme'] } : {}
  const metadata = Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-')))
  const upload = uploads.get(query.get('uploadId'))
  if (query.has('uploadId') && !upload) return error(404, 'NoSuchUpload')
  if (method === 'POST' && query.has('uploads')) {
    const id = `upload${uploads.size}`
    uploads.set(id, { key, parts: new Map(), metadata })
    return xml('InitiateMultipartUploadResult', `<UploadId>${id}</UploadId>`)
  }
  if (method === 'POST') {
    const numbers = [...String(body).matchAll(/<PartNumber>(\d+)</g)].map(([, number]) => Number(number))
    const given = [...String(body).matchAll(/<ETag>(?:&quot;|")?([^<&"]+)/g)].map(([, etag]) => etag)
    const parts = numbers.map((number) => upload.parts.get(number))
    if (parts.some((part, at) => !part || part.etag !== given[at])) return error(400, 'InvalidPart')
    const etag = encrypted
      ? `${md5(encrypted)}-${parts.length}`
      : opaque
        ? 'opaque-2'
        : `${md5(Buffer.concat(parts.map((part) => Buffer.from(part.etag, 'hex'))))}-${parts.length}`
    objects.set(key, { bytes: Buffer.concat(parts.map((part) => part.bytes)), etag, metadata: upload.metadata })
    uploads.delete(query.get('uploadId'))
    return xml('CompleteMultipartUploadResult', `<ETag>"${etag}"</ETag>`)
  }
  if (method === 'PUT') {
    const stored = { bytes: Buffer.from(body), etag: etagOf(body), metadata }
    if (upload) upload.parts.set(Number(query.get('partNumber')), stored)
    else if (headers['if-none-match'] && objects.has(key)) return error(412, 'PreconditionFailed')
    else objects.set(key, stored)
    return { status: 200, headers: { etag: `"${stored.etag}"`, ...verified } }
  }
  if (method === 'DELETE') {
    if (upload) uploads.delete(query.get('uploadId'))
    else objects.delete(key)
    return { status: 204, headers: {} }
  }
  if (upload)
    return xml(
      'ListPartsResult',
      [...upload.parts]
        .sort(([a], [b]) => a - b)
        .filter(([number]) => number > Number(query.get('part-number-marker') ?? 0))
        .map(
          ([number, part]) =>
            `<Part><PartNumber>${number}</PartNumber><ETag>"${part.etag}"</ETag><Size>${part.bytes.length}</Size></Part>`,
        )
        .join(''),
    )
  if (query.has('uploads'))
    return xml(
      'ListMultipartUploadsResult',
      [...uploads]
        .map(
          ([id, { key }]) =>
            `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>2020-01-01T00:00:00.000Z</Initiated></Upload>`,
        )
        .join(''),
    )
  if (query.has('list-type'))
    return xml(
      'ListBucketResult',
      [...objects]
        .map(
          ([key, { bytes, etag }]) =>
            `<Contents><Key>${key}</Key><Size>${bytes.length}</Size><ETag>"${etag}"</ETag></Contents>`,
        )
        .join(''),
    )
  const object = objects.get(key)
  if (!object) return error(404, 'NoSuchKey')
  const facts = { etag: `"${object.etag}"`, 'content-type': 'text/plain', ...object.metadata }
  const range = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '')
  if (!range) return { status: 200, headers: { ...facts, 'content-length': object.bytes.length }, body: object.bytes }
  const [first, last] = [Number(range[1]), Math.min(range[2] ? Number(range[2]) : Infinity, object.bytes.length - 1)]
  return {
    status: 206,
    headers: { ...facts, 'content-range': `bytes ${first}-${last}/${object.bytes.length}` },
    body: object.bytes.subarray(first, last + 1),
  }
}

const FIRST = Number(process.env.PROTOCOL_SEED ?? 1)
const RUNS = process.env.PROTOCOL_SEED ? 1 : Number(process.env.PROTOCOL_RUNS ?? 80)
const PART = 5 * 1024 * 1024

describe("only the storage's own response counts as success", () => {
  test(`responses drawn at random, from seed ${FIRST}`, { timeout: 120_000 }, async (t) => {
    let succeeded = 0
    let failed = 0
    for (let seed = FIRST; seed < FIRST + RUNS; seed += 1) {
      const outcome = await run(seed).catch((error) => {
        throw new Error(`PROTOCOL_SEED=${seed}: ${error.message}`, { cause: error })
      })
      succeeded += outcome.succeeded
      failed += outcome.failed
    }
    t.diagnostic(`${succeeded} calls succeeded, ${failed} failed`)
    // Neither always: else the server would be too kind, or too hostile, to show anything.
    if (RUNS >= 80) assert.ok(succeeded > RUNS && failed > RUNS, `${succeeded} and ${failed}`)
  })

  test('verifyIntegrity: false accepts ETags of encrypted objects, which look like MD5s, in one request and in parts', async (t) => {
    const server = await startServer({ draw: () => undefined, encrypted: 'a key' })
    const config = {
      endpoint: server.url,
      bucket: 'pictures',
      accessKey: 'a',
      secretKey: 'b',
      logger: false,
      partSizeBytes: PART,
      multipartThresholdBytes: PART,
      retry: { maxAttempts: 1 },
    }
    const [trusting, verifying] = [{ ...config, verifyIntegrity: false }, config].map((options) => newStorage(options))
    t.after(() => [trusting, verifying].forEach((storage) => storage.close()) ?? server.stop())
    for (const body of [Buffer.from('small'), Buffer.alloc(2 * PART)]) {
      await trusting.uploadFile({ key: 'a', body })
      assert.ok(server.state.objects.get('a').bytes.equals(body))
      await assert.rejects(verifying.uploadFile({ key: 'b', body }), { code: 'ERR_INTEGRITY' })
    }
  })
})

async function run(seed) {
  const draws = dice(seed * 2_654_435_761)
  const { roll, one, chance } = draws
  const hostile = { percent: 0 }
  const server = await startServer({
    checksums: chance(60),
    opaque: chance(30),
    draw: (method, target) => {
      if (!chance(hostile.percent)) return undefined
      const response = foreign(draws)
      if (isPerfect(method, target, response)) return undefined
      return { response, early: response.early, stores: chance(50) }
    },
  })
  const storage = newStorage({
    endpoint: server.url,
    bucket: 'pictures',
    accessKey: 'a',
    secretKey: 'b',
    logger: false,
    partSizeBytes: PART,
    multipartThresholdBytes: PART,
    retry: { maxAttempts: 2, initialDelayMs: 0, maxDelayMs: 0, timeout: 5000 },
  })
  const { objects } = server.state
  const is = (key, bytes) => assert.ok(objects.get(key)?.bytes.equals(bytes), `${key} is stored`)
  const count = { succeeded: 0, failed: 0 }
  const large = seed % 10 === 0 && Buffer.alloc(PART + 1000, seed)
  try {
    if (chance(70)) await storage.uploadFile({ key: 'known', body: 'what the endpoint is like' })
    hostile.percent = one(30, 60, 100)
    for (let n = 0; n < 6; n += 1) {
      const key = one('a', 'b', 'c')
      const bytes = Buffer.from(`bytes ${seed} ${n}`.repeat(1 + roll(20)))
      const before = objects.get(key)
      const calls = {
        put: async () => {
          await storage.uploadFile({ key, body: bytes })
          is(key, bytes)
        },
        lock: async () => {
          await storage.uploadFile({ key, body: 'locked', ifNoneMatch: '*' })
          assert.equal(before, undefined, 'a lock has one winner')
          is(key, Buffer.from('locked'))
        },
        parts: async () => {
          await storage.uploadFile({ key, body: large })
          is(key, large)
        },
        head: async () => {
          const { size, etag } = await storage.head({ key })
          assert.deepEqual([size, etag], [before?.bytes.length, before?.etag])
        },
        exists: async () => assert.equal(await storage.exists({ key }), before !== undefined),
        download: async () =>
          assert.ok(
            (await buffer((await storage.download({ key })).body)).equals(
              before?.bytes ?? Buffer.from('nothing is there'),
            ),
          ),
        range: async () => {
          const { body } = await storage.download({ key, range: { start: 3, end: 7 } })
          assert.ok((await buffer(body)).equals(before?.bytes.subarray(3, 8) ?? Buffer.from('nothing is there')))
        },
        list: async () => {
          const keys = []
          for await (const object of storage.list()) keys.push(object.key)
          assert.deepEqual(keys, [...objects.keys()])
        },
        cleanup: async () => {
          await storage.abortIncompleteUploads()
          assert.equal(server.state.uploads.size, 0)
        },
        delete: async () => {
          await storage.delete({ key })
          assert.equal(objects.has(key), false, 'it is removed')
        },
      }
      const name = one(...Object.keys(calls).filter((name) => name !== 'parts' || large))
      try {
        await calls[name]()
        count.succeeded += 1
      } catch (error) {
        if (!(error instanceof StorageError)) throw new Error(`${name}: ${error.message}`, { cause: error })
        assert.notEqual(error.category, 'internal', error.stack)
        count.failed += 1
      }
    }
  } finally {
    storage.close()
    server.stop()
  }
  return count
}
