'use strict'

// Errors that JavaScript makes. The addon has the sentence for the user, so that one place writes them.

const { StorageError, blank, build } = require('./errors.js')
const { userMessage } = require('./native/index.js')
const { own } = require('./own-properties.js')

/**
 * Input that is refused before anything is sent. `option` is its path as the caller wrote it; `detail`
 * says what is allowed and never repeats the value, which may be a secret.
 */
function inputError(code, option, detail, call) {
  const { operation, key, cause } = own(call)
  const facts = { ...made('input', code), operation, key, option }
  const message = `${operation ? `${operation} failed: ` : ''}${code}: ${detail}`
  return build(message, cause === undefined ? facts : { ...facts, cause }, inputError)
}

/** An attempt of `retryWithBackoff` that did not end in time. */
function attemptTimeout(timeoutMs, attempts, elapsedMs) {
  const facts = { ...made('timeout', 'ETIMEDOUT'), retryable: true, attempts, elapsedMs, operation: 'retryWithBackoff' }
  return build(`ETIMEDOUT: timeout: attempt ${attempts} did not end within ${timeoutMs} ms`, facts, attemptTimeout)
}

/** An object whose bytes are not what its Content-Encoding says. */
function encodingError(coding, cause, { operation, key }) {
  const facts = { ...made('service', 'ERR_INTEGRITY'), operation, key, cause }
  const detail = `the stored bytes are not ${coding}, which the object's Content-Encoding says they are; download it with decompress: false`
  return build(`${operation} failed: ERR_INTEGRITY: ${detail}`, facts, encodingError)
}

function closedError(operation, key) {
  const facts = { ...made('aborted', 'ERR_CLOSED'), operation, key }
  return build(`${operation} failed: ERR_CLOSED: the storage is closed`, facts, closedError)
}

/** The sentence for the person in front of the page. */
function userMessageOf(error) {
  if (error instanceof StorageError) return error.userMessage
  // The reasons that an AbortSignal has of itself.
  if (error?.name === 'AbortError') return userMessage('aborted', 'ERR_ABORTED')
  return error?.name === 'TimeoutError' ? userMessage('timeout', 'ETIMEDOUT') : userMessage('internal', 'ERR_INTERNAL')
}

function made(category, code) {
  return { ...blank(category, code), userMessage: userMessage(category, code) }
}

module.exports = { attemptTimeout, closedError, encodingError, inputError, userMessageOf }
