'use strict'

// Objects that other clients have stored. A failure prints the seed that draws the same again:
//
//   FOREIGN_SEED=123 node --test __test__/faults/foreign-objects.test.js

const assert = require('node:assert/strict')
const { once } = require('node:events')
const { createServer } = require('node:net')
const { describe, test } = require('node:test')
const { newStorage } = require('../../index.js')
const { startLocalR2 } = require('../../lib/testing/index.js')
const { newSeed } = require('../support/dice.js')
const { checkForeignObjects } = require('../support/foreign-objects.js')
const { RawS3 } = require('../support/raw-s3.js')

/** Sends what `respond` gives for the first line of each request, byte for byte. */
async function rawServer(respond) {
  const seen = []
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (data) => {
      const [line] = data.toString('latin1').split('\r\n')
      seen.push(line)
      socket.end(Buffer.from(respond(line), 'latin1'))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const endpoint = `http://127.0.0.1:${server.address().port}`
  const storage = newStorage({
    endpoint,
    bucket: 'pictures',
    accessKey: 'a',
    secretKey: 'b',
    logger: false,
    retry: { maxAttempts: 1 },
  })
  const stop = async () => {
    storage.close()
    server.close()
    await once(server, 'close')
  }
  return { storage, seen, stop }
}

const ETAG = 'ETag: "d41d8cd98f00b204e9800998ecf8427e"'
const response = (status, fields, body = '') =>
  [
    `HTTP/1.1 ${status}`,
    'Connection: close',
    `Content-Length: ${Buffer.byteLength(body, 'latin1')}`,
    ...fields,
    '',
    body,
  ].join('\r\n')
const list = (content) =>
  response('200 OK', [], `<ListBucketResult><IsTruncated>false</IsTruncated>${content}</ListBucketResult>`)

async function keysOf(content) {
  const { storage, seen, stop } = await rawServer(() => list(content))
  try {
    const keys = []
    for await (const { key } of storage.list()) keys.push(key)
    return { keys, seen }
  } finally {
    await stop()
  }
}

describe('objects that other clients stored', () => {
  test('list, head, download, exists, presign and delete agree with the other client, whatever the key and the headers', {
    timeout: 120_000,
  }, async (t) => {
    const seed = Number(process.env.FOREIGN_SEED ?? newSeed())
    t.diagnostic(`FOREIGN_SEED=${seed}`)
    const r2 = await startLocalR2()
    const storage = newStorage({ ...r2.config, logger: false })
    const raw = new RawS3(r2.config)
    try {
      const held = await checkForeignObjects({ raw, storage, seed, count: 60, keepsHeaders: true })
      assert.ok(held.length > 70, `the local R2 holds ${held.length} of the objects`)
    } finally {
      raw.close()
      storage.close()
      await r2.stop()
    }
  })

  test('a list is asked for with encoded keys, and decoded only where the server encodes them', async () => {
    const contents = (keys) => keys.map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`).join('')
    const encoded = await keysOf(
      `<EncodingType>url</EncodingType>${contents(['b%01.txt', 'c%2Bd+e%25.txt', 'a%20b', '%EF%BF%BE'])}`,
    )
    assert.deepEqual(encoded.keys, ['b\u0001.txt', 'c+d e%.txt', 'a b', '\ufffe'])
    assert.match(encoded.seen[0], /[?&]encoding-type=url&/)
    const plain = await keysOf(contents(['c%2Bd+e', 'x/<![CDATA[a&b.png]]>', 'a<!-- c -->b', 'a&#1;b', '&amp;', ' ']))
    assert.deepEqual(plain.keys, ['c%2Bd+e', 'x/a&b.png', 'ab', 'a\u0001b', '&', ' '])
  })

  test('a list whose entry has no key is an error, not a shorter list', async () => {
    await assert.rejects(keysOf('<Contents><Size>1</Size></Contents>'), { code: 'ERR_PROTOCOL' })
    await assert.rejects(keysOf('<EncodingType>url</EncodingType><Contents><Key>%FF</Key></Contents>'), {
      code: 'ERR_PROTOCOL',
    })
  })

  test('a malformed date or size costs that field and not the call', async () => {
    const { storage, stop } = await rawServer((line) =>
      line.startsWith('GET /pictures?')
        ? list('<Contents><Key>a</Key><LastModified>yesterday</LastModified><Size>x</Size></Contents>')
        : response('200 OK', [ETAG, 'Last-Modified: yesterday', 'Expires: -1', 'Cache-Control: no-store']),
    )
    try {
      for await (const object of storage.list()) assert.deepEqual([object.key, object.lastModified], ['a', undefined])
      for (const info of [await storage.head({ key: 'a' }), await storage.download({ key: 'a' })]) {
        assert.deepEqual([info.lastModified, info.expires, info.cacheControl], [undefined, '-1', 'no-store'])
      }
    } finally {
      await stop()
    }
  })

  test('the path of a request is the key, segment by segment, and never another one', async () => {
    const { storage, seen, stop } = await rawServer((line) =>
      response(line.startsWith('DELETE') ? '204 No Content' : '200 OK', [ETAG]),
    )
    try {
      for (const key of ['../elsewhere/a', './a', 'a//b', '/a', 'a/..', '..', ' ', 'a\\b', '%2e%2e/a', '\n']) {
        await storage.delete({ key })
        await storage.head({ key })
        const path = `/pictures/${key.split('/').map(encodeURIComponent).join('/')}`
        assert.deepEqual(seen.splice(0), [`DELETE ${path} HTTP/1.1`, `HEAD ${path} HTTP/1.1`])
      }
    } finally {
      await stop()
    }
  })

  test('only a key that every client takes can be written', async () => {
    const { storage, seen, stop } = await rawServer(() => response('200 OK', [ETAG]))
    try {
      for (const key of ['../a', './a', 'a//b', '/a', 'a/', ' ', 'a\\b', '\n', '']) {
        await assert.rejects(storage.uploadFile({ key, body: 'x' }), { code: 'ERR_INVALID_KEY' })
        await assert.rejects(storage.presign({ key, method: 'PUT' }), { code: 'ERR_INVALID_KEY' })
      }
      for (const key of ['', 'x'.repeat(1025)]) {
        for (const call of ['head', 'exists', 'download', 'delete', 'presign'])
          await assert.rejects(storage[call]({ key }), { code: 'ERR_INVALID_KEY' }, call)
        assert.throws(() => storage.publicUrl({ key }), { code: 'ERR_INVALID_KEY' })
      }
      assert.deepEqual(seen, [])
    } finally {
      await stop()
    }
  })

  test('a DELETE that is responded with NoSuchKey has succeeded, one with NoSuchBucket has not', async () => {
    const error = (code) =>
      response(
        '404 Not Found',
        ['Content-Type: application/xml'],
        `<Error><Code>${code}</Code><Message>no</Message></Error>`,
      )
    for (const [code, outcome] of [
      ['NoSuchKey', 'deleted'],
      ['NoSuchBucket', 'NoSuchBucket'],
      ['NoSuchUpload', 'NoSuchUpload'],
    ]) {
      const { storage, stop } = await rawServer(() => error(code))
      assert.equal(
        await storage.delete({ key: 'gone.png' }).then(
          () => 'deleted',
          (failure) => failure.code,
        ),
        outcome,
      )
      await stop()
    }
  })
})
