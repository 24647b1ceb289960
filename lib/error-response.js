'use strict'

const { StorageError } = require('./errors.js')
const { guarded } = require('./safe-callback.js')
const { retryAfterOf } = require('./http-status.js')
const { publicError } = require('./public-error.js')
const { asIs, readObject, reader } = require('./input/validate.js')

const call = { operation: 'errorResponse' }

const OPTIONS = {
  __proto__: null,
  status: reader('a status from 400 to 599', (value) => Number.isInteger(value) && value >= 400 && value <= 599, asIs),
  statusText: reader('a string', (value) => typeof value === 'string', asIs),
  headers: reader('headers', (value) => typeof value === 'object', asIs),
  onError: reader('a function', (value) => typeof value === 'function', asIs),
}

/** As under jsdom, which hides Node's own. */
const NO_RESPONSE =
  'errorResponse needs the global Response, which this environment does not have: run tests of routes in Node’s own (Jest: `@jest-environment node`)'

/** A `Response` for whatever was thrown, as a browser may see it. */
function errorResponse(error, init) {
  const given = readObject(OPTIONS, init ?? {}, 'init', call)
  const { headers: added, onError = log } = given
  if (isControlFlow(error)) throw error

  if (typeof Response !== 'function') throw new TypeError(NO_RESPONSE)
  const { code, userMessage, httpStatus, retryAfterMs } = publicError(error)
  if (isUnreported(error, httpStatus)) guarded(onError, 'onError')(error)
  const status = given.status ?? httpStatus
  const headers = new Headers(added)
  const retryAfter = retryAfterOf(status, retryAfterMs)
  if (retryAfter !== undefined && !headers.has('Retry-After')) headers.set('Retry-After', String(retryAfter))
  if (!headers.has('Cache-Control')) headers.set('Cache-Control', 'no-store')
  headers.set('Content-Type', 'application/json')
  return new Response(JSON.stringify({ code, userMessage }), {
    __proto__: null,
    statusText: given.statusText ?? '',
    status,
    headers,
  })
}

/** A request that was sent and failed has its log line; a missing variable, or a mistake in the route, has none yet. */
function isUnreported(error, httpStatus) {
  return httpStatus === 500 && !(error instanceof StorageError && error.attempts > 0)
}

/** How Next.js ends a request from inside a function: redirect(), notFound(), what is known at request time only. */
const CONTROL_FLOW = /^(NEXT_|DYNAMIC_SERVER_USAGE|BAILOUT_TO_CLIENT_SIDE_RENDERING|HANGING_PROMISE_REJECTION)/

function isControlFlow(error) {
  return typeof error?.digest === 'string' && CONTROL_FLOW.test(error.digest)
}

function log(error) {
  console.error('[Storage] A route failed:', error)
}

module.exports = { errorResponse }
