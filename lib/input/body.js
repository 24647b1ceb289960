'use strict'

const { types } = require('node:util')
const { inputError } = require('../local-errors.js')
const { hintFor } = require('./body-hint.js')

const values = Object.getPrototypeOf(Uint8Array).prototype.values

/** The bytes of any body but a Blob, at once: the addon copies them before `uploadFile` returns. */
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

/** Another thread may write to shared memory while the addon copies it. */
function snapshot(bytes) {
  return types.isSharedArrayBuffer(bytes.buffer) ? copyOf(bytes) : bytes
}

/** In memory that nobody else has; the `slice` of a Buffer would be another view of the same. */
function copyOf(bytes) {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength).slice()
}

function requireLength({ byteLength }, contentLength, call) {
  if (contentLength === undefined || contentLength === byteLength) return
  throw invalid(`body has ${byteLength} bytes, not the ${contentLength} of contentLength`, call)
}

function tooLarge(maxBytes, call) {
  return inputError('ERR_TOO_LARGE', 'maxBytes', `body has more than maxBytes (${maxBytes} bytes)`, call)
}

function invalid(detail, call, cause) {
  return inputError('ERR_INVALID_BODY', 'body', detail, { ...call, cause })
}

module.exports = { bytesOf, copyOf, invalid, requireLength, tooLarge }
