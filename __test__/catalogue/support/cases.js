'use strict'

// Words for rows: what a case injects, and what is to come of it.

/**
 * A row is `{ id, what, cases }`, or what says why it has none: `{ id, what, covered: { file, test } }` for one that a
 * test of its own runs, `{ id, what, impossible: reason }` for one that has no meaning for this package or cannot be
 * made, `{ id, what, open: reason }` for one that nobody has written yet.
 *
 * A case has the rules of the test server (`faults`) or whatever else it needs (`setUp`), a call, and `expect`.
 * `network` are commands that make its network; such a case runs in a network namespace of its own. `slow` keeps it out
 * of the quick run.
 */

/** No machine is so slow that an attempt takes that long: a row whose subject is a timeout says so itself. */
const PATIENT_MS = 120_000

const RETRY = Object.freeze({
  maxAttempts: 4,
  initialDelayMs: 10,
  maxDelayMs: 50,
  timeout: PATIENT_MS,
  timeoutGrowth: 1,
})

const NETWORK = { category: 'network', retryable: true }
const TIMEOUT = { code: 'ETIMEDOUT', category: 'timeout', retryable: true, message: /timeout/ }

/** Two requests meet the fault; the third attempt stores the object. */
function passes(fault, more) {
  return { name: 'twice', faults: [{ ...fault, times: 2 }], expect: { ok: true, attempts: 3 }, ...more }
}

/** Every request meets it. */
function stays(fault, expect, more) {
  return { name: 'always', faults: [fault], expect: { attempts: RETRY.maxAttempts, ...expect }, ...more }
}

/** What can be fixed by another try: twice, then for ever. */
function retried(fault, expect, more) {
  return [passes(fault, more), stays(fault, { retryable: true, ...expect }, more)]
}

/** What ends by the timeout of an attempt: twice, with ever more time for the next attempt; then for ever. */
function timesOut(fault, timeout, expect, more) {
  return [
    passes(fault, { options: { retry: { timeout, timeoutGrowth: 8 } }, ...more }),
    stays(fault, { ...TIMEOUT, ...expect }, { options: { retry: { timeout } }, ...more }),
  ]
}

/** What no other try can fix: one attempt, whatever comes after. */
function final(fault, expect, more) {
  return [stays(fault, { attempts: 1, retryable: false, ...expect }, { name: 'once', ...more })]
}

/** An S3 error as a response. */
function status(status, code, more) {
  return { fault: 'status', status, code, ...more }
}

/** A response of one's own, byte for byte. */
function raw(response, more) {
  const pieces = Array.isArray(response) ? response : [response]
  return {
    fault: 'raw',
    response: pieces.map((piece) => (typeof piece === 'string' ? { text: piece } : piece)),
    ...more,
  }
}

/** The head and body of a response. */
function response(statusLine, headers, body = '') {
  const lines = Object.entries({ 'content-length': Buffer.byteLength(body), ...headers })
  return `HTTP/1.1 ${statusLine}\r\n${lines
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n${body}`
}

function s3Error(code, message = 'made by the test server') {
  return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`
}

module.exports = {
  NETWORK,
  PATIENT_MS,
  RETRY,
  TIMEOUT,
  response,
  final,
  passes,
  raw,
  retried,
  s3Error,
  stays,
  status,
  timesOut,
}
