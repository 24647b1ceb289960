'use strict'

const assert = require('node:assert/strict')
const { describe, test } = require('node:test')

const api = require('../../index.js')
const native = require('../../native.js')
const { fromFailure } = require('../../lib/errors.js')

/** What must never reach a browser, in every place where an error has text. */
const PRIVATE = ['account.example.com', '/srv/app/secret.png', 'CANARY', 'inner cause']

function failure(facts) {
  return fromFailure({
    isFailure: true,
    code: 'ECONNRESET',
    category: 'network',
    message: 'uploadFile of "/srv/app/secret.png" failed: account.example.com CANARY',
    userMessage: native.userMessage(facts.category ?? 'network', facts.code ?? 'ECONNRESET'),
    retryable: false,
    attempts: 1,
    elapsedMs: 12,
    operation: 'uploadFile',
    key: '/srv/app/secret.png',
    host: 'account.example.com',
    requestId: 'CANARY',
    causes: ['inner cause'],
    ...facts,
  })
}

async function bodyOf(response) {
  const text = await response.text()
  for (const secret of PRIVATE) assert.ok(!text.includes(secret), `${secret} in ${text}`)
  for (const [, value] of response.headers) for (const secret of PRIVATE) assert.ok(!value.includes(secret), value)
  assert.equal(response.headers.get('content-type'), 'application/json')
  assert.equal(response.headers.get('cache-control'), 'no-store')
  return JSON.parse(text)
}

const silent = { onError() {} }

const EXPECTED = [
  // Ours.
  ['ERR_ABORTED', 'aborted', false, 499],
  ['ERR_BLOCKED_URL', 'input', false, 400],
  ['ERR_CIRCUIT_OPEN', 'network', true, 503],
  ['ERR_CLOSED', 'aborted', false, 503],
  ['ERR_INTEGRITY', 'service', true, 503],
  ['ERR_INTERNAL', 'internal', false, 500],
  ['ERR_INVALID_BODY', 'input', false, 400],
  ['ERR_INVALID_KEY', 'input', false, 400],
  ['ERR_INVALID_METADATA', 'input', false, 400],
  ['ERR_INVALID_OPTION', 'input', false, 400],
  ['ERR_INVALID_URL', 'input', false, 400],
  ['ERR_MISSING_OPTION', 'input', false, 500],
  ['ERR_PROTOCOL', 'service', true, 503],
  ['ERR_REDIRECT', 'source', false, 502, 'downloadAndUpload'],
  ['ERR_SOURCE_CHANGED', 'source', false, 502, 'downloadAndUpload'],
  ['ERR_SOURCE_EMPTY', 'source', false, 502, 'downloadAndUpload'],
  ['ERR_SOURCE_ENCODING', 'source', false, 502, 'downloadAndUpload'],
  ['ERR_SOURCE_FAILED', 'source', false, 400, 'uploadFile'],
  ['ERR_SOURCE_LENGTH', 'source', false, 400, 'uploadFile'],
  ['ERR_SOURCE_STATUS', 'source', false, 502, 'downloadAndUpload'],
  ['ERR_SOURCE_STATUS', 'source', true, 503, 'downloadAndUpload'],
  ['ERR_TOO_LARGE', 'input', false, 413],
  ['ERR_TOO_SMALL', 'input', false, 400],
  ['ERR_UNSUPPORTED', 'internal', false, 500],
  // Node's and the network's.
  ['ECONNRESET', 'network', true, 503],
  ['ENOTFOUND', 'network', true, 503],
  ['ETIMEDOUT', 'timeout', true, 503],
  ['CERT_HAS_EXPIRED', 'network', false, 500],
  ['EPROTO', 'network', false, 500],
  // S3's.
  ['SlowDown', 'throttled', true, 503],
  ['InternalError', 'service', true, 503],
  ['HTTP_502', 'service', true, 503],
  ['HTTP_418', 'service', false, 502],
  ['HTTP_413', 'service', false, 413],
  ['EntityTooLarge', 'input', false, 413],
  ['InvalidArgument', 'input', false, 400],
  ['NoSuchBucket', 'input', false, 500],
  ['NotFound', 'service', false, 404],
  ['NoSuchKey', 'service', false, 404],
  ['PreconditionFailed', 'service', false, 412],
  ['OperationAborted', 'service', true, 409],
  ['AccessDenied', 'auth', false, 500],
  ['SignatureDoesNotMatch', 'auth', false, 500],
  ['RequestTimeTooSkewed', 'auth', true, 500],
]

describe('errorResponse', () => {
  for (const [code, category, retryable, status, operation = 'uploadFile'] of EXPECTED) {
    test(`${code} (${category}, ${retryable ? 'retryable' : 'permanent'}) becomes a ${status}`, async () => {
      const error = failure({ code, category, retryable, operation })
      const response = api.errorResponse(error, silent)
      assert.ok(response instanceof Response)
      assert.deepEqual([response.status, error.httpStatus], [status, status])
      assert.equal(response.headers.has('retry-after'), status === 503)
      assert.deepEqual(await bodyOf(response), { code, userMessage: error.userMessage })
    })
  }

  test('every code of this package has a row above', () => {
    const missing = native.errorCodes().filter((code) => !EXPECTED.some(([name]) => name === code))
    assert.deepEqual(missing, [])
  })

  test('every code in every category has a status that says whose turn it is', async () => {
    const categories = ['network', 'timeout', 'throttled', 'auth', 'input', 'source', 'service', 'aborted', 'internal']
    const codes = [
      ...new Set(EXPECTED.map(([code]) => code)),
      'constructor',
      '__proto__',
      'toString',
      'account.example.com',
    ]
    for (const code of codes) {
      for (const category of categories) {
        for (const retryable of [true, false]) {
          const response = api.errorResponse(failure({ code, category, retryable }), silent)
          assert.ok(
            response.status >= 400 && response.status <= 599 && ![401, 403].includes(response.status),
            `${code} ${category}`,
          )
          const body = await bodyOf(response)
          assert.deepEqual(Object.keys(body), ['code', 'userMessage'])
        }
      }
    }
  })

  test('Retry-After is in whole seconds, rounded up, and never 0', () => {
    for (const [retryAfterMs, seconds] of [
      [undefined, '5'],
      [0, '1'],
      [1, '1'],
      [1001, '2'],
      [30_000, '30'],
    ]) {
      const response = api.errorResponse(failure({ retryable: true, retryAfterMs }))
      assert.equal(response.headers.get('retry-after'), seconds)
    }
  })

  test('what is not an error of the storage becomes a 500, and is logged', async (t) => {
    const { mock } = t.mock.method(console, 'error', () => {})
    const sentence = native.userMessage('internal', 'ERR_INTERNAL')
    const odd = [
      new TypeError('/srv/app/secret.png CANARY'),
      'CANARY',
      null,
      undefined,
      7,
      { message: 'CANARY', httpStatus: 200, status: 200, code: 'CANARY' },
    ]
    for (const [index, error] of odd.entries()) {
      const response = api.errorResponse(error)
      assert.equal(response.status, 500)
      assert.deepEqual(await bodyOf(response), { code: 'ERR_INTERNAL', userMessage: sentence })
      assert.equal(mock.calls[index].arguments.at(-1), error)
    }
    const received = []
    api.errorResponse(odd[0], { onError: (error) => received.push(error) })
    assert.deepEqual(received, [odd[0]])
    assert.equal(mock.callCount(), odd.length)
  })

  test('a missing variable is logged, a failed request is not logged twice', (t) => {
    const { mock } = t.mock.method(console, 'error', () => {})
    api.errorResponse(failure({ code: 'ERR_MISSING_OPTION', category: 'input', attempts: 0, operation: 'newStorage' }))
    assert.equal(mock.callCount(), 1)
    api.errorResponse(failure({ code: 'AccessDenied', category: 'auth', attempts: 1 }))
    api.errorResponse(failure({ code: 'ERR_TOO_LARGE', category: 'input', attempts: 0 }))
    assert.equal(mock.callCount(), 1)
  })

  test('an onError that throws changes nothing', async () => {
    const response = api.errorResponse(new Error('x'), {
      onError: () => {
        throw new Error('CANARY')
      },
    })
    assert.equal(response.status, 500)
    await bodyOf(response)
  })

  test('the reasons of an AbortSignal have their statuses', async () => {
    const aborted = api.errorResponse(AbortSignal.abort().reason)
    assert.deepEqual([aborted.status, (await bodyOf(aborted)).code], [499, 'ERR_ABORTED'])
    const timeout = api.errorResponse(new DOMException('late', 'TimeoutError'))
    assert.deepEqual([timeout.status, (await bodyOf(timeout)).code], [503, 'ETIMEDOUT'])
  })

  test('what Next.js throws to end a request passes through', () => {
    for (const digest of [
      'NEXT_REDIRECT;replace;/login;307;',
      'NEXT_HTTP_ERROR_FALLBACK;404',
      'NEXT_NOT_FOUND',
      'DYNAMIC_SERVER_USAGE',
    ]) {
      const thrown = Object.assign(new Error('control flow'), { digest })
      assert.throws(
        () => api.errorResponse(thrown),
        (error) => error === thrown,
      )
    }
    assert.equal(api.errorResponse(Object.assign(new Error('x'), { digest: '2338474' }), silent).status, 500)
  })

  test('headers and status can be given, mistakes in them are refused', () => {
    const headers = new Headers({
      'Access-Control-Allow-Origin': '*',
      'Cache-Control': 'private',
      'Content-Type': 'text/html',
    })
    const response = api.errorResponse(failure({}), { status: 429, headers })
    assert.equal(response.status, 429)
    assert.equal(response.headers.get('access-control-allow-origin'), '*')
    assert.equal(response.headers.get('cache-control'), 'private')
    assert.equal(response.headers.get('content-type'), 'application/json')
    for (const [init, option] of [
      [{ status: 200 }, 'status'],
      [{ status: 'x' }, 'status'],
      [{ header: {} }, 'header'],
      [{ onError: 1 }, 'onError'],
      [7, 'init'],
    ]) {
      assert.throws(() => api.errorResponse(failure({}), init), {
        name: 'InputError',
        code: 'ERR_INVALID_OPTION',
        option,
      })
    }
  })
})

test('says what to do where there is no Response, as under jsdom', (t) => {
  const { Response } = globalThis
  t.after(() => Object.assign(globalThis, { Response }))
  delete globalThis.Response
  assert.throws(() => api.errorResponse(new Error('x')), { name: 'TypeError', message: /@jest-environment node/ })
})
