'use strict'

// `reliable-r2/testing` as users have it: each fault by its name, which requests meet it, what is reported of them, and this
// package uploading to it.

const assert = require('node:assert/strict')
const { createHash } = require('node:crypto')
const { spawn } = require('node:child_process')
const http = require('node:http')
const net = require('node:net')
const { after, afterEach, before, describe, test } = require('node:test')
const { startLocalR2 } = require('reliable-r2/testing')
const { newStorage } = require('reliable-r2')
const { noise, quick, root } = require('../support/lab.js')

const MIB = 1024 * 1024
const picture = noise(100_000)
const md5 = (body) => createHash('md5').update(body).digest('hex')

let r2
before(async () => (r2 = await startLocalR2({ buckets: ['others'] })))
after(() => r2.stop())
afterEach(() => r2.reset())

const storage = (options) => newStorage({ ...r2.config, logger: false, retry: quick, ...options })
/** Of all but a HEAD, by which a client checks what no response has said. */
const actions = () =>
  r2
    .events()
    .filter(({ method }) => method !== 'HEAD')
    .map(({ action }) => action)
const once = { maxAttempts: 1 }

describe('each fault by its name', () => {
  const failures = {
    reset: [{ fault: 'reset' }, { code: 'ECONNRESET' }],
    'reset at a byte': [{ fault: 'reset', afterBytes: 0 }, { code: 'ECONNRESET' }],
    fin: [{ fault: 'fin' }, { category: 'network' }],
    hang: [{ fault: 'hang' }, { code: 'ETIMEDOUT' }],
    'hang for a while': [{ fault: 'hang', forMs: 1 }, { code: 'ECONNRESET' }],
    status: [
      { fault: 'status', status: 507, code: 'Full', message: 'no more', headers: { 'cf-ray': 'a-ray' } },
      { status: 507, code: 'Full', requestId: 'a-ray' },
    ],
    earlyStatus: [
      { fault: 'earlyStatus', status: 503, code: 'SlowDown' },
      { status: 503, code: 'SlowDown' },
    ],
    garbage: [{ fault: 'garbage' }, { category: 'network' }],
    stopReading: [{ fault: 'stopReading', afterBytes: 10 }, { code: 'ETIMEDOUT' }],
    'raw, no S3': [{ fault: 'raw', text: 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi' }, { code: 'ERR_PROTOCOL' }],
    'raw, then a reset': [{ fault: 'raw', text: 'HTTP/1.1 2', then: 'reset' }, { code: 'ECONNRESET' }],
    'raw, drop by drop': [
      { fault: 'raw', text: 'HTTP/1.1 418 No\r\ncontent-length: 0\r\n\r\n', bytesPerSecond: 2000, then: 'keepAlive' },
      { status: 418 },
    ],
    corrupt: [{ fault: 'corrupt' }, (error) => ['BadDigest', 'ERR_INTEGRITY'].includes(error.code)],
  }
  for (const [name, [fault, expected]] of Object.entries(failures)) {
    test(`${name} fails the request, once`, async () => {
      r2.faults([{ ...fault, times: 1 }])
      const retry = { ...once, timeout: ['hang', 'stopReading'].includes(name) ? 300 : 5000 }
      await assert.rejects(storage({ retry }).uploadFile({ key: 'a', body: picture }), expected)
      assert.deepEqual(actions(), [fault.fault])
      await storage({ retry: once }).uploadFile({ key: 'a', body: picture })
      assert.ok(r2.objects().get('a').body.equals(picture))
    })
  }

  for (const fault of ['refuse', 'down']) {
    test(`${fault} fails each connection`, async () => {
      r2.faults([{ fault }])
      await assert.rejects(storage({ retry: once }).uploadFile({ key: 'a', body: picture }), { code: 'ECONNRESET' })
      // A client may try a connection again at once, as no request was on it.
      assert.deepEqual([...new Set(actions())], [fault])
      assert.ok(r2.events().every(({ request, method, key }) => request === null && method === null && key === null))
    })
  }

  for (const fault of [{ fault: 'dropResponse' }, { fault: 'partialHead' }, { fault: 'badEtag' }]) {
    test(`${fault.fault} stores, and the client is not informed`, async () => {
      r2.faults([{ ...fault, method: 'PUT' }])
      const { confirmedByHead } = await storage({ retry: once }).uploadFile({ key: 'a', body: picture })
      assert.deepEqual([actions(), confirmedByHead], [[fault.fault], true])
    })
  }

  for (const fault of [
    { fault: 'slow', bytesPerSecond: 1_000_000 },
    { fault: 'delay', ms: 50 },
  ]) {
    test(`${fault.fault} only takes its time`, async () => {
      r2.faults([fault])
      const { elapsedMs } = await storage({ retry: once }).uploadFile({ key: 'a', body: picture })
      assert.ok(elapsedMs >= 45, String(elapsedMs))
      assert.equal(r2.events()[0].status, 200)
    })
  }

  for (const fault of ['truncate', 'stallResponse']) {
    test(`${fault} breaks a download, which continues`, async () => {
      await storage().uploadFile({ key: 'a', body: picture })
      r2.faults([{ fault, method: 'GET', times: 1 }])
      const { body } = await storage({ stallTimeoutMs: 300 }).download({ key: 'a' })
      assert.ok(Buffer.from(await new Response(body).arrayBuffer()).equals(picture))
      assert.deepEqual(actions().slice(1), [fault, 'forward'])
    })
  }

  test('mix is one of the others each time', async () => {
    // One of its own: requests that a client has given up may come after this test.
    const mine = await startLocalR2()
    mine.faults([{ fault: 'mix', method: 'PUT', keyContains: 'mix/' }])
    const one = storage({ ...mine.config, retry: { ...once, timeout: 1000 } })
    await Promise.allSettled(
      Array.from({ length: 40 }, (_, index) => one.uploadFile({ key: `mix/${index}`, body: 'x' })),
    )
    const met = new Set(
      mine
        .events()
        .filter(({ method }) => method === 'PUT')
        .map(({ action }) => action),
    )
    await mine.stop()
    assert.ok(met.size >= 6 && !met.has('mix') && !met.has('forward'), [...met].join())
  })
})

describe('which requests meet a fault', () => {
  const unavailable = { fault: 'status', status: 503, code: 'ServiceUnavailable' }

  /** Uploads one after the other, each once, and says what they met. */
  async function met(rules, keys) {
    r2.reset()
    r2.faults(rules)
    for (const key of keys)
      await storage({ retry: once })
        .uploadFile({ key, body: 'x' })
        .catch(() => undefined)
    return actions()
  }
  const same = (count) => Array(count).fill('a')

  test('so many, after so many others', async () => {
    assert.deepEqual(await met([{ ...unavailable, skip: 1, times: 2 }], same(5)), [
      'forward',
      'status',
      'status',
      'forward',
      'forward',
    ])
    assert.deepEqual(await met([{ ...unavailable, times: 0 }], same(1)), ['forward'])
  })

  test('those of a key and of a method', async () => {
    assert.deepEqual(await met([{ ...unavailable, keyContains: 'out/' }], ['in/a', 'out/a']), ['forward', 'status'])
    assert.deepEqual(await met([{ ...unavailable, method: 'GET' }], ['a']), ['forward'])
    assert.deepEqual(await met([{ ...unavailable, method: 'put' }], ['a']), ['status'])
  })

  test('the first rule that matches acts, and then the next', async () => {
    const rules = [
      { ...unavailable, times: 1 },
      { fault: 'reset', times: 1 },
    ]
    assert.deepEqual(await met(rules, same(3)), ['status', 'reset', 'forward'])
  })

  test('by chance: the same seed, the same requests, in whatever order', async () => {
    const keys = Array.from({ length: 30 }, (_, index) => `key/${index}`)
    const struck = async (seed, order) => {
      await met([{ ...unavailable, chance: 0.5, seed }], order)
      return r2
        .events()
        .filter(({ action }) => action === 'status')
        .map(({ key }) => key)
        .sort()
    }
    const first = await struck(1, keys)
    assert.ok(first.length > 5 && first.length < 25, String(first.length))
    assert.deepEqual(await struck(1, keys.toReversed?.() ?? [...keys].reverse()), first)
    assert.notDeepEqual(await struck(2, keys), first)
    assert.deepEqual(await met([{ ...unavailable, chance: 0 }], same(2)), ['forward', 'forward'])
    assert.deepEqual(await met([{ ...unavailable, chance: 1 }], same(2)), ['status', 'status'])
  })

  test('new rules replace the old ones, and connections meet theirs though a client has one already', async () => {
    const one = storage({ retry: once })
    await one.uploadFile({ key: 'a', body: 'x' })
    r2.faults([{ fault: 'down' }])
    await assert.rejects(one.uploadFile({ key: 'a', body: 'x' }))
    r2.faults([])
    await one.uploadFile({ key: 'a', body: 'x' })
  })
})

describe('wrong rules and options', () => {
  for (const [rules, said] of [
    [undefined, /takes an array/],
    [{ fault: 'reset' }, /takes an array/],
    [[null], /fault must be one of refuse,/],
    [[{}], /fault must be one of/],
    [[{ fault: 'explode' }], /fault must be one of/],
    [[{ fault: 'toString' }], /fault must be one of/],
    [[{ fault: 'reset', afterBits: 1 }], /reset has no afterBits; it has afterBytes/],
    [[{ fault: 'reset', afterBytes: -1 }], /afterBytes of the fault reset/],
    [[{ fault: 'status', status: 503 }], /status needs code/],
    [[{ fault: 'status', status: 42, code: 'X' }], /status of the fault status/],
    [[{ fault: 'status', status: 500, code: 'X', headers: { 'x-a': '日' } }], /headers of the fault status/],
    [[{ fault: 'slow', bytesPerSecond: 0 }], /bytesPerSecond/],
    [[{ fault: 'raw', text: 'x', then: 'explode' }], /then of the fault raw/],
    [[{ fault: 'reset', chance: 2 }], /chance/],
    [[{ fault: 'reset', times: 1.5 }], /times/],
    [[{ fault: 'reset', seed: -1 }], /seed/],
  ]) {
    test(`faults(${JSON.stringify(rules)})`, async () => {
      r2.faults([{ fault: 'reset' }])
      assert.throws(
        () => r2.faults(rules),
        (error) => error instanceof TypeError && said.test(error.message),
      )
      await assert.rejects(
        storage({ retry: once }).uploadFile({ key: 'a', body: 'x' }),
        { code: 'ECONNRESET' },
        'the rules before stay',
      )
    })
  }

  for (const [options, said] of [
    [{ bukket: 'a' }, /no option bukket; it has bucket,/],
    [{ bucket: 'A' }, /3 to 63/],
    [{ buckets: ['ok-name', 'no_name'] }, /3 to 63/],
  ]) {
    test(`startLocalR2(${JSON.stringify(options)})`, async () => {
      await assert.rejects(startLocalR2(options), (error) => error instanceof TypeError && said.test(error.message))
    })
  }

  test('a port that is taken', async () => {
    await assert.rejects(startLocalR2({ port: Number(new URL(r2.url).port) }), { code: 'EADDRINUSE' })
  })

  test('a bucket that there is not', () => {
    assert.throws(() => r2.objects('elsewhere'), /bucket does not exist/)
    assert.throws(() => r2.uploads('elsewhere'), /bucket does not exist/)
  })
})

describe('what is reported', () => {
  test('an event for each request, in order, without its query', async () => {
    r2.faults([{ fault: 'reset', method: 'PUT', afterBytes: 0, times: 1 }])
    const one = storage()
    await one.uploadFile({ key: 'in/a.png', body: picture })
    await one.head({ key: 'in/a.png' })
    const events = r2.events()
    assert.deepEqual(
      events.map(({ seq }) => seq),
      [1, 2, 3],
    )
    const facts = events.map(({ method, path, key, action, status }) => [method, path, key, action, status])
    assert.deepEqual(facts, [
      ['PUT', '/pictures/in/a.png', 'in/a.png', 'reset', null],
      ['PUT', '/pictures/in/a.png', 'in/a.png', 'forward', 200],
      ['HEAD', '/pictures/in/a.png', 'in/a.png', 'forward', 200],
    ])
    assert.equal(events[1].bodyBytes, picture.length)
    assert.notEqual(events[0].connection, events[1].connection)
    assert.deepEqual([events[1].connection, 2], [events[2].connection, events[2].request])
    assert.ok(events.every(({ atMs }, index) => index === 0 || atMs >= events[index - 1].atMs))
    events[0].action = 'changed by the reader'
    assert.equal(r2.events()[0].action, 'reset')
  })

  test('objects with what was stored beside them', async () => {
    const options = {
      contentType: 'image/png',
      cacheControl: 'no-store',
      metadata: { author: 'me' },
      disposition: 'attachment',
    }
    const { etag } = await storage().uploadFile({ key: 'a', body: picture, ...options })
    const { body, headers, lastModified, ...object } = r2.objects().get('a')
    assert.deepEqual(object, {
      key: 'a',
      size: picture.length,
      etag: md5(picture),
      contentType: 'image/png',
      metadata: { author: 'me' },
    })
    assert.equal(etag, object.etag)
    assert.equal(headers['cache-control'], 'no-store')
    assert.match(headers['content-disposition'], /^attachment/)
    assert.ok(lastModified instanceof Date && body.equals(picture))
  })

  test('other buckets have their own', async () => {
    await storage({ bucket: 'others' }).uploadFile({ key: 'a', body: 'x' })
    assert.deepEqual([[...r2.objects().keys()], [...r2.objects('others').keys()]], [[], ['a']])
  })

  test('reset() forgets all of it', async () => {
    await storage().uploadFile({ key: 'a', body: 'x' })
    r2.faults([{ fault: 'reset' }])
    r2.reset()
    assert.deepEqual([r2.objects().size, r2.uploads(), r2.events()], [0, [], []])
    await storage({ retry: once }).uploadFile({ key: 'a', body: 'x' })
  })
})

describe('stop()', () => {
  test('ends connections that hang and frees the port; a second call does nothing', async () => {
    const mine = await startLocalR2()
    mine.faults([{ fault: 'hang' }])
    const hanging = newStorage({ ...mine.config, logger: false, retry: once }).uploadFile({ key: 'a', body: 'x' })
    const idle = net.connect(Number(new URL(mine.url).port), '127.0.0.1')
    await new Promise((resolve) => idle.once('connect', resolve))
    while (mine.events().length === 0) await new Promise(setImmediate)
    const closed = new Promise((resolve) => idle.once('close', resolve).on('error', () => {}))
    await Promise.all([mine.stop(), assert.rejects(hanging, { category: 'network' }), closed])
    await mine.stop()
    await (await startLocalR2({ port: Number(new URL(mine.url).port) })).stop()
  })

  test('leaves nothing that keeps a process alive, whatever hung, slept or dripped', async () => {
    const program = `
      const { startLocalR2 } = require('reliable-r2/testing')
      const http = require('node:http')
      startLocalR2().then(async (r2) => {
        r2.faults([
          { fault: 'hang', forMs: 600_000, times: 1 },
          { fault: 'delay', ms: 600_000, times: 1 },
          { fault: 'slow', bytesPerSecond: 1, times: 1 },
          { fault: 'raw', text: 'x'.repeat(100_000), bytesPerSecond: 1, times: 1 },
          { fault: 'stopReading', times: 1 },
          { fault: 'stallResponse', times: 1 },
        ])
        for (let nth = 0; nth < 6; nth += 1) http.request(r2.url + '/pictures/a', { method: 'PUT', agent: false }).on('error', () => {}).end('abcdef')
        while (r2.events().length < 6) await new Promise(setImmediate)
        await new Promise((resolve) => setTimeout(resolve, 100))
        await r2.stop()
      })`
    const child = spawn(process.execPath, ['-e', program], { cwd: root, stdio: 'inherit' })
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
    const [code, signal] = await new Promise((resolve) => child.once('exit', (...how) => resolve(how)))
    clearTimeout(timer)
    assert.deepEqual([code, signal], [0, null])
  })

  test('await using', { skip: Symbol.asyncDispose ? false : 'this Node.js has no Symbol.asyncDispose' }, async () => {
    const mine = await startLocalR2()
    await mine[Symbol.asyncDispose]()
    await assert.rejects(fetch(mine.url))
  })
})

describe('this package uploads to it', () => {
  test('in parts, of which one is reset', async () => {
    const body = noise(20_000_000)
    r2.faults([{ fault: 'reset', method: 'PUT', skip: 1, times: 1 }])
    const { etag, parts, attempts } = await storage().uploadFile({ key: 'film.mp4', body })
    assert.deepEqual([parts, attempts], [3, 2])
    const object = r2.objects().get('film.mp4')
    assert.ok(object.body.equals(body))
    assert.equal(object.etag, etag)
    assert.deepEqual(r2.uploads(), [])
  })

  test('an upload in parts that fails leaves none', async () => {
    r2.faults([{ fault: 'status', status: 403, code: 'AccessDenied', method: 'PUT', skip: 1 }])
    await assert.rejects(storage().uploadFile({ key: 'film.mp4', body: noise(20 * MIB) }), { code: 'AccessDenied' })
    assert.deepEqual([r2.objects().size, r2.uploads()], [0, []])
  })

  test('downloadAndUpload from an address of this machine', async () => {
    const source = http
      .createServer((_, response) => response.setHeader('content-type', 'image/png').end(picture))
      .listen(0, '127.0.0.1')
    await new Promise((resolve) => source.once('listening', resolve))
    try {
      const url = `http://127.0.0.1:${source.address().port}/a.png`
      await storage({ allowPrivateNetworks: true }).downloadAndUpload({ url, key: 'copy.png' })
      const { body, contentType } = r2.objects().get('copy.png')
      assert.ok(body.equals(picture))
      assert.equal(contentType, 'image/png')
    } finally {
      source.closeAllConnections()
      source.close()
    }
  })

  test('list, head, exists, delete', async () => {
    const one = storage()
    for (const key of ['a/1', 'a/2', 'b/1']) await one.uploadFile({ key, body: key })
    const listed = []
    for await (const { key, size } of one.list({ prefix: 'a/' })) listed.push([key, size])
    assert.deepEqual(listed, [
      ['a/1', 3],
      ['a/2', 3],
    ])
    assert.equal((await one.head({ key: 'a/1' })).size, 3)
    await one.delete({ key: 'a/1' })
    assert.deepEqual([await one.exists({ key: 'a/1' }), await one.exists({ key: 'a/2' })], [false, true])
    await assert.rejects(one.head({ key: 'a/1' }), { code: 'NotFound' })
  })

  test('presigned URLs, until they expire or are changed', async () => {
    const one = storage()
    const put = await one.presign({ key: 'a', method: 'PUT', expiresInSeconds: 60 })
    assert.equal((await fetch(put.url, { method: 'PUT', headers: put.headers, body: 'hello' })).status, 200)
    const get = await one.presign({ key: 'a', method: 'GET', expiresInSeconds: 60 })
    assert.equal(await (await fetch(get.url)).text(), 'hello')
    const changed = await fetch(get.url.replace('/a?', '/b?'))
    assert.deepEqual([changed.status, /<Code>(\w+)/.exec(await changed.text())[1]], [403, 'SignatureDoesNotMatch'])
    const short = await one.presign({ key: 'a', method: 'GET', expiresInSeconds: 1 })
    let late
    do late = await fetch(short.url)
    while (late.ok && (await late.text()))
    assert.deepEqual([late.status, /<Code>(\w+)/.exec(await late.text())[1]], [400, 'ExpiredRequest'])
  })

  test('a wrong key and a wrong secret are refused', async () => {
    await assert.rejects(storage({ secretKey: 'other' }).uploadFile({ key: 'a', body: 'x' }), {
      code: 'SignatureDoesNotMatch',
      category: 'auth',
      attempts: 1,
    })
    await assert.rejects(storage({ accessKey: 'other' }).uploadFile({ key: 'a', body: 'x' }), {
      category: 'auth',
      attempts: 1,
    })
  })

  test('by the environment of a program', async () => {
    const program = "require('reliable-r2').uploadFile({ key: 'env', body: 'x' })"
    const child = spawn(process.execPath, ['-e', program], {
      cwd: root,
      env: { ...process.env, ...r2.env },
      stdio: 'inherit',
    })
    assert.equal(await new Promise((resolve) => child.once('exit', resolve)), 0)
    assert.ok(r2.objects().has('env'))
  })
})
