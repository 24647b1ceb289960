'use strict'

// Bodies that come as they come: streams and requests. What comes out of them is pushed to the native
// part a few pieces ahead.

const { setImmediate: nextTurn } = require('node:timers/promises')
const { types } = require('node:util')
const { isBlob, typeOf } = require('./blob.js')
const { bytesOf, copyOf, invalid } = require('./body.js')
const { StorageError } = require('../errors.js')
const { pathOf } = require('./from-file.js')
const { isHttpMessage, readHttpMessage } = require('./http-message.js')
const { property } = require('../own-properties.js')
const { readerOf } = require('./readers.js')

/** Larger Blobs are read bit by bit; a smaller one is in memory before its stream has begun. */
const STREAMED_BLOB_BYTES = 8 * 1024 * 1024
/** How much of a chunk is pushed at once: the addon holds a few of these ahead. */
const PIECE_BYTES = 1024 * 1024
/** So many chunks in one turn of the event loop; a source that never waits would keep timers and aborts from it. */
const CHUNKS_PER_TURN = 256

/**
 * What a body is: { path }, { source }, { blob } or { bytes }.
 *
 * @throws {InputError} for what is no body, for a stream that somebody else reads, for a message that is not the object.
 */
function openBody(body, call) {
  try {
    const path = pathOf(body, call)
    if (path !== undefined) return { path }
    const source = sourceOf(body, call)
    if (source) return { source }
    return isBlob(body) ? { blob: body } : { bytes: bytesOf(body, call) }
  } catch (cause) {
    if (cause instanceof StorageError) throw cause
    // A getter, a proxy, a method of a test's double.
    throw invalid('body is an object that throws when it is read', call, cause)
  }
}

/** A body as { length?, contentType?, contentEncoding?, next(), cancel() }, or undefined for one whose bytes are at hand. */
function sourceOf(body, call) {
  if (body === null || typeof body !== 'object' || ArrayBuffer.isView(body) || types.isAnyArrayBuffer(body))
    return undefined
  if (isBlob(body)) return blobSource(body, call)
  return isHttpMessage(body) ? readHttpMessage(body, call) : readerOf(body, call)
}

/** Of a large Blob; those of test environments have no stream. */
function blobSource(blob, call) {
  if (!(blob.size > STREAMED_BLOB_BYTES) || typeof property(blob, 'stream') !== 'function') return undefined
  const reader = readerOf(blob.stream(), call)
  return reader && { length: blob.size, contentType: typeOf(blob), ...reader }
}

/** Runs an upload, which `start` begins, while its source is pushed into `sink`; then frees the source, whatever came of it. */
async function pushDuring(start, source, sink, call, signal) {
  let failed
  // Where not even that can be said, nobody else would end the call.
  const brokenOff = new Promise((_, reject) => {
    const failing = pump(source, sink, call, signal).catch((error) => {
      failed = { error }
      sink.fail()
    })
    failing.catch(reject)
  })
  try {
    return await Promise.race([start(), brokenOff])
  } catch (error) {
    if (!failed || error?.code !== 'ERR_SOURCE_FAILED') throw error
    // Wrong chunks are the caller's mistake; all else is the source's own error.
    if (failed.error instanceof StorageError) throw failed.error
    error.cause = failed.error
    throw error
  } finally {
    sink.fail()
    source.cancel()
  }
}

/**
 * Pushes all of a source; ends early once nobody reads, or after an abort: a body whose end the addon has not seen cannot be
 * stored, however late its thread learns of the abort.
 */
async function pump(source, sink, call, signal) {
  for (let chunks = 1; ; chunks += 1) {
    const { done, value } = await source.next()
    if (signal?.aborted) return
    if (done) break
    if (!(await pushChunk(chunkBytes(value, source, call), sink))) return
    if (chunks % CHUNKS_PER_TURN === 0) await nextTurn()
  }
  await sink.finish()
}

/** False once nobody reads. */
async function pushChunk(chunk, sink) {
  let bytes = chunk
  for (let at = 0; at < bytes.byteLength; at += PIECE_BYTES) {
    while (!sink.tryPush(bytes.subarray(at, at + PIECE_BYTES))) {
      // What waits is a copy of ours: meanwhile the chunk may be reused, transferred to a worker or made smaller.
      if (bytes === chunk) {
        bytes = copyOf(bytes.subarray(at))
        at = 0
      }
      if (!(await sink.ready())) return false
    }
  }
  return true
}

function chunkBytes(chunk, source, call) {
  if (typeof chunk === 'string') return source.bytesOfText?.(chunk) ?? bytesOf(chunk, call)
  if (ArrayBuffer.isView(chunk) || types.isAnyArrayBuffer(chunk)) return bytesOf(chunk, call)
  const kind = chunk === null ? 'null' : Array.isArray(chunk) ? 'an array' : `of type ${typeof chunk}`
  throw invalid(`body gave a chunk that is ${kind}; chunks must be bytes or strings`, call)
}

module.exports = { openBody, pushDuring }
