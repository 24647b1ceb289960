'use strict'

const assert = require('node:assert/strict')
const test = require('node:test')
const { inspect } = require('node:util')

const api = require('../../index.js')
const { fromFailure } = require('../../lib/errors.js')

const failure = (facts) => ({
  isFailure: true,
  code: 'ECONNRESET',
  category: 'network',
  message: 'uploadFile of "a" failed after 4 attempts in 12 ms: ECONNRESET: connection reset',
  userMessage: 'There is a connection problem.',
  retryable: true,
  attempts: 4,
  elapsedMs: 12,
  operation: 'uploadFile',
  key: 'a',
  causes: ['outer', 'inner'],
  ...facts,
})

test('each category has its class, and all are StorageErrors', () => {
  const classes = {
    network: 'NetworkError',
    timeout: 'TimeoutError',
    throttled: 'ThrottledError',
    auth: 'AuthError',
    input: 'InputError',
    source: 'SourceError',
    service: 'ServiceError',
    internal: 'InternalError',
    aborted: 'StorageError',
  }
  for (const [category, name] of Object.entries(classes)) {
    const error = fromFailure(failure({ category }))
    assert.equal(error.constructor, api[name])
    assert.equal(error.name, name)
    assert.ok(error instanceof api.StorageError && error instanceof Error && error instanceof api[name])
    assert.equal(error instanceof api.InputError, category === 'input')
  }
  for (const other of [null, undefined, 1, 'x', {}, new Error('x'), { name: 'StorageError' }]) {
    assert.equal(other instanceof api.StorageError, false)
  }
})

test('an error of another copy of the package is known', () => {
  const path = require.resolve('../../lib/errors.js')
  const own = require.cache[path]
  delete require.cache[path]
  const other = require(path)
  require.cache[path] = own
  const error = other.fromFailure(failure())
  assert.notEqual(error.constructor, api.NetworkError)
  assert.ok(error instanceof api.StorageError && error instanceof api.NetworkError)
  assert.ok(!(error instanceof api.TimeoutError))
  class Mine extends api.NetworkError {}
  assert.ok(!(error instanceof Mine), 'a class of the caller has its own instances only')
})

test('facts, causes and JSON', () => {
  const error = fromFailure(failure({ status: 503, requestId: 'r', host: 'h', retryAfterMs: 5, option: undefined }))
  assert.equal(error.cause.message, 'outer')
  assert.equal(error.cause.cause.message, 'inner')
  assert.equal(error.cause.cause.cause, undefined)
  assert.equal('option' in error, false)
  assert.deepEqual(JSON.parse(JSON.stringify(error)), {
    name: 'NetworkError',
    message: error.message,
    code: 'ECONNRESET',
    category: 'network',
    retryable: true,
    attempts: 4,
    elapsedMs: 12,
    operation: 'uploadFile',
    key: 'a',
    status: 503,
    requestId: 'r',
    host: 'h',
    retryAfterMs: 5,
    userMessage: 'There is a connection problem.',
    causes: ['outer', 'inner'],
  })
  assert.match(inspect(error), /^NetworkError: uploadFile of "a"/)
})

test('an error has the frames of the code that called', async () => {
  const storage = api.newStorage({
    endpoint: 'http://127.0.0.1:9',
    accessKey: 'a',
    secretKey: 'b',
    bucket: 'pictures',
    logger: false,
  })
  async function routeOfTheCaller() {
    await storage.uploadFile({ body: 'x', key: 'x', retry: { maxAttempts: 1 } })
  }
  const error = await routeOfTheCaller().catch((reason) => reason)
  assert.ok(error instanceof api.NetworkError, inspect(error))
  assert.match(error.message, /ECONNREFUSED/)
  assert.match(error.stack, /routeOfTheCaller/)
  assert.doesNotMatch(error.stack, /fromFailure/)
  storage.close()
})

test('a closed storage refuses', async () => {
  for (const storage of [api.newStorage(), api.newStorage({ endpoint: 'http://127.0.0.1:9' })]) {
    storage.close()
    storage.close()
    const refusal = { name: 'StorageError', code: 'ERR_CLOSED', category: 'aborted', key: 'k' }
    await assert.rejects(storage.uploadFile({ body: 'x', key: 'k' }), refusal)
  }
})

test('an unloadable addon says what to do', () => {
  const { execFileSync } = require('node:child_process')
  const script = `
    const Module = require('node:module')
    const load = Module._load
    Module._load = (id, ...rest) => { if (id.endsWith('native.js')) throw new Error('wrong libc'); return load(id, ...rest) }
    try { require('./index.js') } catch (e) { console.log(JSON.stringify({ ...e, message: e.message, cause: e.cause.message })) }`
  const output = execFileSync(process.execPath, ['-e', script], { cwd: `${__dirname}/../..`, encoding: 'utf8' })
  const error = JSON.parse(output)
  assert.equal(error.code, 'ERR_UNSUPPORTED')
  assert.equal(error.cause, 'wrong libc')
  assert.equal(error.platform, process.platform)
  assert.equal(error.arch, process.arch)
  for (const advice of [/npm ci/, /serverExternalPackages: \['reliable-r2'\]/, /Prebuilt binaries/, /npm run build/]) {
    assert.match(error.message, advice)
  }
})

test("the sentence of a bug is the addon's own, which is not asked for it", () => {
  const native = require('../../lib/native/index.js')
  const { internalError } = require('../../lib/errors.js')
  assert.equal(
    internalError('uploadFile', 'k', new Error('x')).userMessage,
    native.userMessage('internal', 'ERR_INTERNAL'),
  )
})

test('what the addon throws has a type', async () => {
  const native = require('../../lib/native/index.js')
  for (const broken of [
    () => native.createSource('five'),
    () => new native.NativeOperation({}),
    () => native.NativeStorage.prototype.close.call({}),
  ]) {
    assert.throws(
      broken,
      (error) => error instanceof api.StorageError && error.code === 'ERR_INTERNAL' && error.cause instanceof Error,
    )
  }
})
