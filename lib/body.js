'use strict'

const { types } = require('node:util')
const { inputError } = require('./errors.js')
const { orAbort } = require('./abort.js')

const ALLOWED = 'bytes, a Blob or File, a string, a stream or async iterable, a Request or Response, or { path }'
const values = Object.getPrototypeOf(Uint8Array).prototype.values

/** Blobs of this realm, of another and of polyfills; their bytes can only be awaited. */
function isBlob(body) {
  // Most bodies, for which to ask for the tag would take long.
  if (ArrayBuffer.isView(body)) return false
  const tag = Object.prototype.toString.call(body)
  return (tag === '[object Blob]' || tag === '[object File]') && typeof body.arrayBuffer === 'function'
}

/** The bytes of any body but a Blob, at once: the native part copies them before `uploadFile` returns. */
function bytesOf(body, call) {
  if (typeof body === 'string') {
    if (!body.isWellFormed()) {
      throw invalid('body holds half a surrogate pair, which UTF-8 cannot carry; give the bytes instead', call)
    }
    return Buffer.from(body, 'utf8')
  }
  if (ArrayBuffer.isView(body)) return snapshot(viewBytes(body, call))
  if (types.isAnyArrayBuffer(body)) return snapshot(bufferBytes(body, call))
  throw invalid(hintFor(body), call)
}

async function blobBytes(blob, signal, call) {
  let buffer
  try {
    buffer = await orAbort(blob.arrayBuffer(), signal)
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw invalid('body is a Blob that could not be read', call, cause)
  }
  if (!types.isAnyArrayBuffer(buffer)) throw invalid('body is a Blob whose arrayBuffer() gave something else', call)
  // A file that changed since it was chosen, or an upload that a proxy cut.
  if (buffer.byteLength !== blob.size) {
    throw invalid(`body is a Blob of ${blob.size} bytes of which ${buffer.byteLength} could be read`, call)
  }
  return new Uint8Array(buffer)
}

function viewBytes(view, call) {
  try {
    // Both throw where the memory is gone; byteLength of a typed array would only say 0.
    if (types.isTypedArray(view)) values.call(view)
    return types.isUint8Array(view) ? view : new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
  } catch (cause) {
    throw invalid('body is a view of a detached or shrunken ArrayBuffer', call, cause)
  }
}

function bufferBytes(buffer, call) {
  try {
    return new Uint8Array(buffer)
  } catch (cause) {
    throw invalid('body is a detached ArrayBuffer (it was transferred to somewhere else)', call, cause)
  }
}

/** Another thread may write to shared memory while the native part copies it. */
function snapshot(bytes) {
  return types.isSharedArrayBuffer(bytes.buffer) ? bytes.slice() : bytes
}

function hintFor(body) {
  const hint = hintOf(body)
  return `body must be ${ALLOWED}${hint ? `; ${hint}` : ''}`
}

function hintOf(body) {
  if (body === undefined || body === null) return 'it is missing'
  if (typeof body === 'function') return 'this is a function'
  if (typeof body !== 'object') return `this is a ${typeof body}`
  if (typeof body.then === 'function') return "this is a Promise: did you forget 'await'?"
  const tag = Object.prototype.toString.call(body).slice(8, -1)
  if (tag === 'FormData') return "this is a FormData: pass one of its files, formData.get('file')"
  if (tag === 'URLSearchParams') return 'this is a URLSearchParams: pass its String()'
  if (tag === 'URL') return 'this is a URL: only file: URLs are read; for others there is downloadAndUpload'
  if (Array.isArray(body)) return 'this is an array: pass Uint8Array.from(array)'
  if (types.isDate(body)) return 'this is a Date'
  return 'this is an object: pass JSON.stringify(object)'
}

function tooLarge(maxBytes, call) {
  return inputError('ERR_TOO_LARGE', 'maxBytes', `body has more than maxBytes (${maxBytes} bytes)`, call)
}

function invalid(detail, call, cause) {
  return inputError('ERR_INVALID_BODY', 'body', detail, { ...call, cause })
}

module.exports = { blobBytes, bytesOf, invalid, isBlob, tooLarge }
