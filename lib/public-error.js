'use strict'

// What a browser may learn of a failure: a code, a sentence, a status. Messages, hosts, paths and causes stay on the server.

const { StorageError } = require('./errors.js')
const { userMessageOf } = require('./local-errors.js')
const { own } = require('./own-properties.js')

/** Codes are names; text that a server sent as one (a host, a sentence) is not repeated to a browser. */
const CODE = /^[A-Za-z][A-Za-z0-9_]{0,63}$/

/** Of whatever was thrown. */
function publicError(error) {
  const userMessage = userMessageOf(error)
  if (error instanceof StorageError) {
    const { code, httpStatus } = error
    const { retryAfterMs } = own(error)
    return { code: CODE.test(code) ? code : 'ERR_INTERNAL', userMessage, httpStatus, retryAfterMs }
  }
  // The reasons that an AbortSignal has by itself: the visitor has left, or the route's own time is up.
  if (error?.name === 'AbortError')
    return { code: 'ERR_ABORTED', userMessage, httpStatus: 499, retryAfterMs: undefined }
  if (error?.name === 'TimeoutError')
    return { code: 'ETIMEDOUT', userMessage, httpStatus: 503, retryAfterMs: undefined }
  return { code: 'ERR_INTERNAL', userMessage, httpStatus: 500, retryAfterMs: undefined }
}

module.exports = { publicError }
