'use strict'

const assert = require('node:assert/strict')
const { readFileSync } = require('node:fs')
const path = require('node:path')
const { after, afterEach, before, describe, test } = require('node:test')
const { newStorage } = require('../../index.js')
const { adviceFor } = require('../../lib/observability/remediation.js')
const { Lab, keys, root } = require('../support/lab.js')

const denied = { fault: 'status', status: 403, code: 'AccessDenied', method: 'PUT' }

describe('recent failures', { timeout: 60_000 }, () => {
  let lab
  before(async () => {
    lab = await Lab.start()
  })
  after(() => lab.stop())
  afterEach(() => lab.faults())

  test('say what failed, after how much, and what to do', async () => {
    const storage = lab.storage()
    await storage.uploadFile({ key: 'fine', body: 'hello' })
    assert.deepEqual(storage.recentFailures(), [])
    await lab.faults({ fault: 'status', status: 503, code: 'ServiceUnavailable', method: 'PUT' })
    const before = Date.now()
    const error = await storage.uploadFile({ key: 'outputs/1.png', body: 'hello' }).catch((thrown) => thrown)
    const [{ at, advice, ...failure }, ...others] = storage.recentFailures()
    assert.deepEqual(others, [])
    assert.ok(at >= before && at <= Date.now())
    const { code, category, status, host, requestId, attempts, elapsedMs, message, userMessage } = error
    const facts = {
      operation: 'uploadFile',
      key: 'outputs/1.png',
      code,
      category,
      status,
      host,
      attempts,
      elapsedMs,
      message,
      userMessage,
    }
    assert.deepEqual(failure, requestId === undefined ? facts : { ...facts, requestId })
    assert.equal(attempts, 4)
    assert.ok(advice.means.endsWith('.') && advice.steps.length > 0)
  })

  test('are the last fifty, the newest first', async () => {
    const storage = lab.storage()
    await lab.faults(denied)
    for (let index = 0; index < 53; index += 1) await assert.rejects(storage.uploadFile({ key: `${index}`, body: 'x' }))
    const wanted = Array.from({ length: 50 }, (_, index) => `${52 - index}`)
    assert.deepEqual(
      storage.recentFailures().map(({ key }) => key),
      wanted,
    )
  })

  test('keep what opened the breaker, however many calls the breaker fails', async () => {
    const storage = lab.storage({ retry: { maxAttempts: 1 } })
    await lab.faults(denied)
    await assert.rejects(storage.uploadFile({ key: 'cause', body: 'x' }))
    await lab.faults({ ...denied, status: 503, code: 'ServiceUnavailable' })
    storage.setBreaker('open')
    for (let index = 0; index < 60; index += 1)
      await assert.rejects(storage.uploadFile({ key: `${index}`, body: 'x' }), { code: 'ERR_CIRCUIT_OPEN' })
    const failures = storage.recentFailures()
    assert.deepEqual(
      [failures.length, failures[0].key, failures[48].key, failures[49].code],
      [50, '59', '11', 'AccessDenied'],
    )
  })

  test('cannot be changed from outside', async () => {
    const storage = lab.storage()
    await lab.faults(denied)
    await assert.rejects(storage.uploadFile({ key: 'a', body: 'x' }))
    const [first] = storage.recentFailures()
    const { code, advice } = structuredClone(first)
    first.code = 'changed'
    first.advice.steps.length = 0
    const [again] = storage.recentFailures()
    assert.deepEqual([again.code, again.advice], [code, advice])
  })

  test('include a download that breaks after it was opened, once', async () => {
    const storage = lab.storage()
    await storage.uploadFile({ key: 'large', body: Buffer.alloc(3_000_000) })
    await lab.faults({ fault: 'truncate', method: 'GET', times: 1 }, { ...denied, method: 'GET' })
    const { body } = await storage.download({ key: 'large' })
    await assert.rejects(new Response(body).arrayBuffer())
    assert.deepEqual(
      storage.recentFailures().map(({ operation, key, code }) => [operation, key, code]),
      [['download', 'large', 'AccessDenied']],
    )
  })

  test('are not aborts, refused input, or the response that there is no such object', async () => {
    const storage = lab.storage()
    await lab.faults({ fault: 'hang', method: 'PUT' })
    await assert.rejects(storage.uploadFile({ key: 'a', body: 'x', signal: AbortSignal.timeout(30) }))
    await assert.rejects(storage.uploadFile({ key: '', body: 'x' }))
    await assert.rejects(storage.uploadFile({ key: 'a', body: 5 }))
    assert.equal(await storage.exists({ key: 'nothing' }), false)
    const closing = assert.rejects(storage.uploadFile({ key: 'a', body: 'x' }), { code: 'ERR_CLOSED' })
    storage.close()
    await closing
    assert.deepEqual(storage.recentFailures(), [])
    const { recentFailures } = storage
    assert.throws(() => recentFailures(), TypeError)
  })

  test('hold no secret, whatever the storage says', async () => {
    const storage = lab.storage({ retry: { maxAttempts: 1 } })
    const message = `StringToSign: ${keys.secretKey} X-Amz-Signature=0123`
    await lab.faults({ ...denied, code: 'SignatureDoesNotMatch', message })
    await assert.rejects(storage.uploadFile({ key: 'a', body: 'x' }))
    const url = `${lab.public}/pictures/none?X-Amz-Signature=abcdef0123`
    await assert.rejects(storage.downloadAndUpload({ key: 'b', url, allowPrivateNetworks: true }))
    const text = JSON.stringify(storage.recentFailures())
    for (const secret of [keys.secretKey, 'abcdef0123', 'Signature=']) assert.ok(!text.includes(secret), text)
    assert.equal(storage.recentFailures().length, 2)
  })
})

test('a variable that is missing is a failure that somebody must fix', async () => {
  const variables = Object.keys(process.env).filter((name) => name.startsWith('STORAGE_'))
  assert.deepEqual(variables, [], 'these tests need an environment without STORAGE_*')
  const storage = newStorage({ logger: false })
  await assert.rejects(storage.uploadFile({ key: 'a', body: 'x' }), { code: 'ERR_MISSING_OPTION' })
  const [{ code, attempts, advice }] = storage.recentFailures()
  assert.deepEqual([code, attempts], ['ERR_MISSING_OPTION', 0])
  assert.match(advice.steps.join(), /doctor/)
})

describe('advice', () => {
  test('each code that R2 and its like give has its own', () => {
    const rules = readFileSync(path.join(root, 'src', 'resilience', 'classify.rs'), 'utf8')
    const [, s3Codes] = rules.match(/pub fn by_s3_code([^]*?)\n}\n/)
    const codes = [...s3Codes.matchAll(/"(\w+)"/g)].map(([, code]) => code)
    assert.ok(codes.length > 20, String(codes.length))
    const general = adviceFor({ category: 'internal' }).means
    for (const code of codes) assert.notEqual(adviceFor({ code, category: 'internal' }).means, general, code)
  })

  test('a response without a code has that of its status', () => {
    const meansOf = (status) => adviceFor({ code: `HTTP_${status}`, category: 'service', status }).means
    assert.match(meansOf(522), /could not reach it/)
    assert.match(meansOf(405), /would be refused again/)
    assert.match(meansOf(301), /elsewhere/)
    assert.match(meansOf(500), /failed inside/)
  })

  test('there is some for every category, and for codes that nobody foresaw', () => {
    for (const category of [
      'network',
      'timeout',
      'throttled',
      'auth',
      'input',
      'source',
      'service',
      'internal',
      undefined,
    ]) {
      for (const code of ['HTTP_520', 'constructor', '__proto__', undefined]) {
        const { means, steps } = adviceFor({ code, category })
        assert.ok(means.length > 10 && steps.length > 0)
      }
    }
  })

  test('a network failure of downloadAndUpload may be that of the source', () => {
    const facts = { code: 'ECONNREFUSED', category: 'network', host: 'images.example' }
    assert.match(adviceFor({ ...facts, operation: 'downloadAndUpload' }).steps[0], /images\.example/)
    assert.ok(
      !adviceFor({ ...facts, operation: 'uploadFile' })
        .steps.join()
        .includes('images.example'),
    )
  })
})
