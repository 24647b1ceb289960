'use strict'

// Blobs of this realm, of another, of polyfills and of test environments; their bytes can only be awaited.

const { types } = require('node:util')
const { orAbort } = require('../abort.js')
const { bytesOf, invalid, tooLarge } = require('./body.js')
const { property } = require('../own-properties.js')

function isBlob(body) {
  // Most bodies, for which to ask for the tag would take long.
  if (body === null || typeof body !== 'object' || ArrayBuffer.isView(body)) return false
  if (typeof property(body, 'arrayBuffer') !== 'function')
    return typeof globalThis.FileReader === 'function' && hasTag(body)
  // happy-dom's have no tag. A Response of node-fetch has a size and a type as well, which mean something else.
  const isMessage = property(body, 'headers') !== undefined || property(body, 'bodyUsed') !== undefined
  return (
    hasTag(body) ||
    (!isMessage && Number.isSafeInteger(property(body, 'size')) && typeof property(body, 'type') === 'string')
  )
}

function hasTag(body) {
  return ['[object Blob]', '[object File]'].includes(Object.prototype.toString.call(body))
}

/** The media type that a Blob was given, if any. */
function typeOf(blob) {
  const type = property(blob, 'type')
  return typeof type === 'string' && type !== '' ? type : undefined
}

/** { bytes, type? } of a Blob. */
async function readBlob(blob, { maxBytes, signal }, call) {
  const { size } = blob
  if (!Number.isSafeInteger(size)) throw invalid('body is a Blob without a size', call)
  if (size > maxBytes) throw tooLarge(maxBytes, call)
  let buffer
  try {
    buffer = await orAbort(
      typeof property(blob, 'arrayBuffer') === 'function' ? blob.arrayBuffer() : readAsArrayBuffer(blob),
      signal,
    )
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw invalid('body is a Blob that could not be read', call, cause)
  }
  if (!types.isAnyArrayBuffer(buffer) && !ArrayBuffer.isView(buffer))
    throw invalid('body is a Blob whose arrayBuffer() gave something else', call)
  // A file that changed since it was chosen, or an upload that a proxy cut.
  if (buffer.byteLength !== size)
    throw invalid(`body is a Blob of ${size} bytes of which ${buffer.byteLength} could be read`, call)
  return { bytes: bytesOf(buffer, call), type: typeOf(blob) }
}

/** As jsdom before 27 has it, and so Jest's environment of it. */
function readAsArrayBuffer(blob) {
  return new Promise((resolve, reject) => {
    const reader = new globalThis.FileReader()
    reader.onload = () => resolve(reader.result)
    reader.onerror = () => reject(reader.error)
    reader.readAsArrayBuffer(blob)
  })
}

module.exports = { isBlob, readBlob, typeOf }
