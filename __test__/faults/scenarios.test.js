'use strict'

// What the addon adds to the engine's own tests (tests/faults/upload.rs): the result and the error as JavaScript has them,
// its events, and what a caller may do with a buffer.

const assert = require('node:assert/strict')
const { after, before, test } = require('node:test')
const { NetworkError, ThrottledError, TimeoutError } = require('../../index.js')
const { Lab, noise, quick } = require('../support/lab.js')

let lab
before(async () => {
  lab = await Lab.start()
})
after(() => lab.stop())

const picture = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), noise(120_000)])

test('nothing fails: one attempt, no event, the whole result', async () => {
  await lab.faults()
  const retries = []
  const storage = lab.storage({ domain: 'https://images.example.com' })
  const result = await storage.uploadFile({ body: picture, key: 'in/a b.png', onRetry: (event) => retries.push(event) })
  assert.deepEqual(lab.stored('in/a b.png'), picture)
  assert.equal(result.bucket, 'pictures')
  assert.equal(result.key, 'in/a b.png')
  assert.equal(result.filename, 'a b.png')
  assert.equal(result.url, 'https://images.example.com/in/a%20b.png')
  assert.equal(result.location, `${lab.proxy}/pictures/in/a%20b.png`)
  assert.equal(result.contentType, 'image/png')
  assert.equal(result.size, picture.length)
  assert.equal(result.attempts, 1)
  assert.match(result.etag, /^[0-9a-f]{32}$/)
  assert.deepEqual(retries, [])
  assert.deepEqual(await lab.actions(), ['forward'])
})

test('a transient network failure is retried and succeeds', async () => {
  await lab.faults({ fault: 'reset', times: 2 })
  const retries = []
  const result = await lab
    .storage()
    .uploadFile({ body: picture, key: 'a.png', onRetry: (event) => retries.push(event) })
  assert.equal(result.attempts, 3)
  assert.deepEqual(lab.stored('a.png'), picture)
  assert.deepEqual(await lab.actions(), ['reset', 'reset', 'forward'])
  assert.deepEqual(
    retries.map((event) => event.attempt),
    [1, 2],
  )
  assert.ok(retries.every((event) => ['ECONNRESET', 'EPIPE'].includes(event.code)))
})

test('a persistent network failure fails clearly, after all attempts', async () => {
  await lab.faults({ fault: 'down' })
  const error = await lab
    .storage()
    .uploadFile({ body: picture, key: 'never.png' })
    .then(assert.fail, (e) => e)
  assert.ok(error instanceof NetworkError)
  assert.equal(error.attempts, 4)
  assert.equal(error.code, 'ECONNRESET')
  assert.equal(error.retryable, true)
  assert.ok(error.message.includes('ECONNRESET'), error.message)
  assert.match(error.userMessage, /connection problem.*try again/)
  assert.match(error.stack, /scenarios\.test\.js/)
  // Up to three to an attempt, where the reset comes while the connection is still being made; and to each of three looks
  // at what is stored, where it came later.
  const actions = await lab.actions()
  assert.ok(actions.length >= 4 && actions.length <= 21 && actions.every((action) => action === 'down'), actions.join())
  assert.equal(lab.stored('never.png'), undefined)
})

test('a timeout says so', async () => {
  await lab.faults({ fault: 'hang' })
  const retry = { ...quick, maxAttempts: 2, timeout: 100 }
  const error = await lab
    .storage({ retry })
    .uploadFile({ body: 'x', key: 'a.txt' })
    .then(assert.fail, (e) => e)
  assert.ok(error instanceof TimeoutError)
  assert.ok(error.message.includes('timeout'), error.message)
  assert.match(error.userMessage, /timed out.*smaller/)
  assert.equal(error.attempts, 2)
})

test('Retry-After past the deadline ends the call at once', async () => {
  await lab.faults({ fault: 'status', status: 503, code: 'SlowDown', retryAfter: '600' })
  const retry = { ...quick, deadlineMs: 5000 }
  const error = await lab
    .storage({ retry })
    .uploadFile({ body: 'x', key: 'a.txt' })
    .then(assert.fail, (e) => e)
  assert.ok(error instanceof ThrottledError)
  assert.equal(error.retryAfterMs, 600_000)
  assert.equal(error.attempts, 1)
})

test('a TLS handshake that is always cut says what Node says', async () => {
  await lab.faults({ fault: 'tlsCut' })
  const error = await lab
    .overTls()
    .uploadFile({ body: 'x', key: 'a.txt' })
    .then(assert.fail, (e) => e)
  assert.equal(error.code, 'ECONNRESET')
  assert.match(error.message, /before the secure TLS connection was established/)
})

test('one of several that fails leaves the others stored', async () => {
  await lab.faults({ fault: 'reset', keyContains: 'two' })
  const items = ['one', 'two', 'three'].map((name) => ({ body: picture, key: `several/${name}.png` }))
  const outcomes = await lab.storage().uploadFiles(items)
  assert.deepEqual(
    outcomes.map((outcome) => outcome.uploadError),
    [false, true, false],
  )
  assert.deepEqual(
    outcomes.map((outcome) => outcome.key),
    items.map((item) => item.key),
  )
  assert.equal(outcomes[1].error.attempts, 4)
  assert.equal(outcomes[1].errorMessage, outcomes[1].error.userMessage)
  assert.deepEqual(lab.stored('several/one.png'), picture)
  assert.deepEqual(lab.stored('several/three.png'), picture)
  assert.equal(lab.stored('several/two.png'), undefined)
})

test('what happens to a buffer after the call changes nothing stored', async () => {
  await lab.faults({ fault: 'reset', times: 1 })
  const body = Buffer.from(picture)
  const upload = lab.storage().uploadFile({ body, key: 'kept.png' })
  body.fill(0)
  const moved = new Uint8Array(noise(50_000)).buffer
  const kept = Buffer.from(moved.slice(0))
  const second = lab.storage().uploadFile({ body: moved, key: 'moved.bin' })
  structuredClone(moved, { transfer: [moved] })
  await Promise.all([upload, second])
  assert.deepEqual(lab.stored('kept.png'), picture)
  assert.deepEqual(lab.stored('moved.bin'), kept)
})

test('progress rises and ends at 100 when stored', async () => {
  await lab.faults({ fault: 'slow', bytesPerSecond: 8_000_000 })
  const seen = []
  const body = noise(4_000_000)
  await lab.storage({ retry: { ...quick, timeout: 30_000 } }).uploadFile({
    body,
    key: 'progress.bin',
    onProgress: (percent, detail) => seen.push([percent, detail.loadedBytes, detail.totalBytes]),
  })
  const percents = seen.map(([percent]) => percent)
  assert.ok(seen.length >= 2, `${percents}`)
  assert.deepEqual(
    percents,
    [...percents].sort((a, b) => a - b),
  )
  assert.equal(new Set(percents).size, percents.length)
  assert.deepEqual(seen.at(-1), [100, body.length, body.length])
})

test('a wrong secret is refused once, and no secret comes out', async () => {
  await lab.faults()
  const lines = []
  const logger = {
    debug: (...a) => lines.push(a),
    info: (...a) => lines.push(a),
    warn: (...a) => lines.push(a),
    error: (...a) => lines.push(a),
  }
  const storage = lab.storage({ secretKey: 'OTHERCANARYSECRET', logger })
  const error = await storage.uploadFile({ body: 'x', key: 'a.txt' }).then(assert.fail, (e) => e)
  assert.equal(error.category, 'auth')
  assert.equal(error.attempts, 1)
  const { inspect } = require('node:util')
  const everything = [
    inspect(error, { depth: null, showHidden: true }),
    JSON.stringify(error),
    error.stack,
    inspect(lines, { depth: null }),
    inspect(storage, { depth: null, showHidden: true }),
  ].join('\n')
  assert.ok(!everything.includes('CANARY'), everything)
  assert.ok(!/Signature=/.test(everything))
  assert.match(lines.flat().join(' '), /\[Critical\] Failed to upload/)
})

test('downloadAndUpload stores what a URL gives, and refuses inward ones', async () => {
  await lab.faults()
  const { createServer } = require('node:http')
  let served = 0
  const source = createServer((request, response) => {
    served += 1
    if (served === 1) return request.socket.destroy()
    response.setHeader('content-type', 'text/plain').end(picture)
  })
  await new Promise((resolve) => source.listen(0, '127.0.0.1', resolve))
  try {
    const url = `http://127.0.0.1:${source.address().port}/a.png?X-Amz-Signature=CANARY`
    const storage = lab.storage()
    const refused = await storage.downloadAndUpload({ url, key: 'd.png' }).then(assert.fail, (e) => e)
    assert.equal(refused.code, 'ERR_BLOCKED_URL')
    assert.ok(!refused.message.includes('CANARY'))
    assert.equal(served, 0)
    const result = await storage.downloadAndUpload({ url, key: 'd.png', allowedHosts: ['127.0.0.1'] })
    assert.equal(result.contentType, 'image/png')
    assert.equal(served, 2)
    assert.deepEqual(lab.stored('d.png'), picture)
  } finally {
    source.close()
  }
})
