'use strict'

// Uploads that fail, one kind for each way to fail: what a server that runs for months meets in all its time.

const { Readable } = require('node:stream')
const { fromFile, newStorage } = require('../../index.js')
const { noise } = require('./lab.js')

/** Larger than what a socket's buffers take at once, so that a fault in the middle of a body is one. */
const BODY = noise(64 * 1024)

/** What the caller brings, in turn. */
const bodies = [
  () => BODY,
  () => BODY.toString('latin1'),
  () => Readable.from([BODY.subarray(0, 1000), BODY.subarray(1000)]),
  () => new Blob([BODY]).stream(),
  (file) => fromFile(file),
]

const upload = (storage, { n, file, signal }) =>
  storage.uploadFile({ key: `leak/${n % 500}.bin`, body: bodies[n % bodies.length](file), signal })

/** Bad input of many kinds; each is refused before anything is sent. */
const invalid = [
  (storage) => storage.uploadFile({ key: '', body: BODY }),
  (storage) => storage.uploadFile({ key: 'a', body: 7 }),
  (storage) => storage.uploadFile({ key: 'a', body: BODY, headers: { 'x\n': 'y' } }),
  (storage) => storage.uploadFile({ key: 'a', body: fromFile('/no/such/file') }),
  (storage) => storage.uploadFile({ key: 'a', body: Readable.from([{}]) }),
  (storage) => storage.uploadFile({ key: 'a', body: BODY, retry: { maxAttempts: 0 } }),
  (storage) => storage.downloadAndUpload({ key: 'a', url: 'http://169.254.169.254/latest' }),
]

/** As in a route that makes its own. Every other one is left to the garbage collector. */
async function withOwnStorage(storage, made) {
  const own = newStorage({ logger: false, retry: { maxAttempts: 1 } })
  try {
    await upload(own, made)
  } finally {
    if (made.n % 2 === 0) own.close()
  }
}

const status = (code, name) => ({ fault: 'status', status: code, code: name })

/**
 * By name: the lab's faults, options of the storage, what the calls reject with, and how long an aborted one has lasted.
 *
 * @type {Record<string, {faults?: object[], options?: object, overTls?: boolean, codes: string[], abortAfterMs?: number,
 *   call?: typeof upload}>}
 */
const kinds = {
  // Nobody listens on the port of tcpmux.
  'connection refused': { options: { endpoint: 'http://127.0.0.1:1' }, codes: ['ECONNREFUSED'] },
  'reset in the body': { faults: [{ fault: 'reset' }], codes: ['ECONNRESET'] },
  'TLS cut': { faults: [{ fault: 'tlsCut' }], overTls: true, codes: ['ECONNRESET'] },
  'status 500': { faults: [status(500, 'InternalError')], codes: ['InternalError'] },
  'status 403': { faults: [status(403, 'AccessDenied')], codes: ['AccessDenied'] },
  'response that is no HTTP': { faults: [{ fault: 'garbage' }], codes: ['ERR_PROTOCOL'] },
  'a storage for each': { faults: [status(403, 'AccessDenied')], codes: ['AccessDenied'], call: withOwnStorage },
  'stalled, aborted': { faults: [{ fault: 'stopReading' }], abortAfterMs: 10, codes: ['AbortError'] },
  'no response, aborted': { faults: [{ fault: 'hang' }], abortAfterMs: 10, codes: ['AbortError'] },
  'no response, timed out': {
    faults: [{ fault: 'hang' }],
    options: { retry: { maxAttempts: 1, timeout: 30 } },
    codes: ['ETIMEDOUT'],
  },
  'bad input': {
    codes: ['ERR_INVALID_KEY', 'ERR_INVALID_BODY', 'ERR_INVALID_OPTION', 'ERR_BLOCKED_URL'],
    call: (storage, { n }) => invalid[n % invalid.length](storage),
  },
}

/** Besides these: worker threads that are ended in the middle of uploads, and the faults that they meet. */
const WORKERS = 'worker threads ended'
const OF_WORKERS = [
  { fault: 'slow', bytesPerSecond: 1_000_000, method: 'PUT', keyContains: 'slow' },
  { fault: 'reset', keyContains: 'reset' },
]

module.exports = { OF_WORKERS, WORKERS, kinds, upload }
