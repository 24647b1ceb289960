// What is done to the clients of benches/peers.mjs, and with what: shared by the processes that serve, upload and report.

/** Of all requests, or of all connections. */
export const CHANCE = 0.3
export const SEED = 2026
/** How long a store that is down at first stays so. */
export const OUTAGE_MS = 3000

const MINUTE = 60_000
const put = { method: 'PUT' }
const status = (number, code, more) => ({ fault: 'status', status: number, code, ...put, ...more })
const PORTAL = '<!DOCTYPE html><title>Welcome</title><p>Please accept our terms of use.</p>'
const portal = `HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: ${PORTAL.length}\r\nconnection: close\r\n\r\n${PORTAL}`

/**
 * Each is a kind of fault that a share of the requests meets. `withinMs`: when a call that has not come to an end counts
 * as one that hangs. `large`: met by objects in parts, too.
 */
export const faultClasses = [
  { name: 'none', title: 'No fault', rule: undefined, large: true },
  { name: 'hang', title: 'No response', rule: { fault: 'hang', ...put }, withinMs: 2 * MINUTE + 5000 },
  {
    name: 'stall',
    title: 'Stops reading in the middle of the body',
    rule: { fault: 'stopReading', ...put },
    withinMs: 2 * MINUTE + 5000,
  },
  { name: 'refused', title: 'Nobody listens for three seconds', outage: true },
  { name: 'accept-reset', title: 'Reset as soon as it is connected', rule: { fault: 'refuse' } },
  { name: 'tls-cut', title: 'TLS cut in its handshake', rule: { fault: 'tlsCut' }, tls: true },
  { name: 'reset', title: 'Reset in the middle of the body', rule: { fault: 'reset', ...put }, large: true },
  {
    name: 'fin',
    title: 'Closed in order instead of a response',
    rule: { fault: 'fin', afterBytes: Number.MAX_SAFE_INTEGER, ...put },
  },
  { name: 'lost', title: 'Stored, and the response lost', rule: { fault: 'dropResponse', ...put }, large: true },
  { name: 'half-head', title: 'Stored, and half of the response’s head', rule: { fault: 'partialHead', ...put } },
  { name: 'garbage', title: 'Garbage for a response', rule: { fault: 'garbage', ...put } },
  { name: '500', title: '500', rule: status(500, 'InternalError'), large: true },
  { name: '502', title: '502', rule: status(502, 'BadGateway') },
  { name: '503', title: '503', rule: status(503, 'ServiceUnavailable') },
  { name: '503-retry-after', title: '503 with Retry-After: 1', rule: status(503, 'SlowDown', { retryAfter: '1' }) },
  {
    name: '503-early',
    title: '503 before the body was read',
    rule: { fault: 'earlyStatus', status: 503, code: 'ServiceUnavailable', ...put },
  },
  { name: '429', title: '429', rule: status(429, 'TooManyRequests'), large: true },
  { name: '400', title: '400 IncompleteBody', rule: status(400, 'IncompleteBody') },
  { name: 'portal', title: 'A captive portal’s page with status 200', rule: { fault: 'raw', text: portal, ...put } },
  { name: 'corrupt', title: 'A byte of the body changed on the way', rule: { fault: 'corrupt', ...put }, large: true },
  { name: 'etag', title: 'Stored, and another ETag in the response', rule: { fault: 'badEtag', ...put } },
]

export const WITHIN_MS = 60_000

/** How many objects of which size. */
export const loads = {
  small: { title: '64 KiB', bytes: 64 * 1024, count: 60 },
  large: { title: '20 MB', bytes: 20_000_000, count: 4 },
}

export const keyOf = (load, index) => `${load}/${index}.bin`

/** Other bytes for each object, so that mixed-up ones are seen. */
export const bodyOf = (load, index) => Buffer.alloc(loads[load].bytes, `${load} object ${index} `)
