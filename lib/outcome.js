'use strict'

// The outcomes of uploadFiles. A route hands them to a browser as they are, so what they serialize is what a browser may
// see; the rest is there for the server's own code and is not serialized.

const { publicError } = require('./public-error.js')

/** What JSON has of a stored object: not where it is stored, by which endpoint, bucket and request. */
const PUBLIC = ['uploadError', 'key', 'filename', 'url', 'size', 'contentType', 'contentEncoding', 'etag', 'sha256']

function storedOutcome(result) {
  const outcome = { ...result, uploadError: false }
  return hide(outcome, 'toJSON', () =>
    Object.fromEntries(PUBLIC.filter((name) => Object.hasOwn(outcome, name)).map((name) => [name, outcome[name]])),
  )
}

function failedOutcome(error, key) {
  const { code, userMessage } = publicError(error)
  return hide({ uploadError: true, code, errorMessage: userMessage, userMessage, key }, 'error', error)
}

/** Adds a property that neither JSON nor a copy has: spreading, structuredClone, a server action's result. */
function hide(outcome, name, value) {
  return Object.defineProperty(outcome, name, { __proto__: null, value, configurable: true, writable: true })
}

module.exports = { failedOutcome, storedOutcome }
