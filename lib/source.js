'use strict'

// Bodies that come as they come: streams and requests. What comes out of them is pushed to the native
// part a few pieces ahead.

const { isDisturbed } = require('node:stream')
const { fileURLToPath } = require('node:url')
const { types } = require('node:util')
const { bytesOf, invalid, isBlob } = require('./body.js')

/** Larger Blobs are read bit by bit; a smaller one is in memory before its stream has begun. */
const STREAMED_BLOB_BYTES = 8 * 1024 * 1024
/** A larger chunk is copied in pieces, so that the event loop turns between them. */
const PIECE_BYTES = 1024 * 1024

/**
 * A body as { length?, contentType?, iterate(), cancel() }, or undefined for one whose bytes are at hand.
 *
 * @throws {InputError} for a stream that somebody else reads.
 */
function sourceOf(body, call) {
  if (body === null || typeof body !== 'object' || ArrayBuffer.isView(body) || types.isAnyArrayBuffer(body)) return undefined
  if (isBlob(body)) {
    if (body.size <= STREAMED_BLOB_BYTES) return undefined
    return { length: body.size, contentType: body.type || undefined, ...webStream(body.stream(), call) }
  }
  if (isHttpBody(body)) return httpBody(body, call)
  return streamOf(body, call)
}

/** Of node-fetch, the body of a Response is a stream of Node's. */
function streamOf(body, call) {
  if (typeof body.getReader === 'function') return webStream(body, call)
  if (typeof body[Symbol.asyncIterator] === 'function') return iterable(body, call)
  return undefined
}

/** The path of a file that is to be stored, or undefined for any other body. The native part reads it. */
function pathOf(body, call) {
  if (body === null || typeof body !== 'object' || ArrayBuffer.isView(body)) return undefined
  if (Object.prototype.toString.call(body) === '[object URL]' && body.protocol === 'file:') return checkedPath(pathOfUrl(body, call), call)
  const { prototype } = Object
  if (Object.getPrototypeOf(body) === prototype && typeof body.path === 'string') return checkedPath(body.path, call)
  return undefined
}

function pathOfUrl(url, call) {
  try {
    return fileURLToPath(url)
  } catch (cause) {
    throw invalid(`body is a file: URL that names no file here: ${cause.message}`, call, cause)
  }
}

function checkedPath(path, call) {
  if (path !== '' && path.isWellFormed() && !path.includes('\0')) return path
  throw invalid('body is a path that no file can have', call)
}

function isHttpBody(body) {
  const tag = Object.prototype.toString.call(body)
  const known = tag === '[object Request]' || tag === '[object Response]'
  return known || (typeof body.formData === 'function' && typeof body.headers?.get === 'function')
}

function httpBody(message, call) {
  if (message.bodyUsed) throw invalid('body is a Request or Response that was read already', call)
  // The page that says that a link has expired is not the picture that it led to.
  if (message.ok === false) {
    const way = 'downloadAndUpload fetches a URL and tries again; response.body is stored whatever it is'
    throw invalid(`body is a Response with the status ${message.status}, so not what was asked for; ${way}`, call)
  }
  const [type, encoding, length] = ['content-type', 'content-encoding', 'content-length'].map((name) => message.headers.get(name) ?? undefined)
  return {
    // What fetch has unpacked is longer than what was sent. Next.js cuts a body behind a proxy.ts at 10 MB and says nothing.
    length: encoding || length === undefined ? undefined : Number(length),
    contentType: type,
    ...streamOf(message.body ?? nothing(), call),
  }
}

async function* nothing() {}

function webStream(stream, call) {
  if (stream.locked) throw invalid('body is a stream that is locked: something else reads it', call)
  // What was read would be missing from the object, and nothing would say so.
  if (isDisturbed?.(stream)) throw invalid('body is a stream that was read from already; for what is left of it, give an async iterable', call)
  const reader = stream.getReader()
  return {
    async *iterate() {
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return
        yield value
      }
    },
    cancel: () => reader.cancel().catch(() => {}),
  }
}

function iterable(body, call) {
  if (body.destroyed || body.readableEnded) throw invalid('body is a stream that has ended already', call)
  return {
    async *iterate() {
      yield* body
    },
    // A Readable that waits for its source is freed by destroy, an iterator not at all.
    cancel() {
      try {
        Promise.resolve(body.destroy?.()).catch(() => {})
      } catch {
        // It is not ours, and what became of the upload is told already.
      }
    },
  }
}

/** Pushes all of a source; ends early once nobody reads. */
async function pump(source, sink, call) {
  for await (const chunk of source.iterate()) {
    const bytes = chunkBytes(chunk, call)
    for (let at = 0; at < bytes.byteLength; at += PIECE_BYTES) {
      const piece = bytes.subarray(at, at + PIECE_BYTES)
      while (!sink.tryPush(piece)) {
        if (!(await sink.ready())) return
      }
    }
  }
  await sink.finish()
}

function chunkBytes(chunk, call) {
  if (typeof chunk === 'string' || ArrayBuffer.isView(chunk) || types.isAnyArrayBuffer(chunk)) return bytesOf(chunk, call)
  const kind = chunk === null ? 'null' : Array.isArray(chunk) ? 'an array' : `of type ${typeof chunk}`
  throw invalid(`body gave a chunk that is ${kind}; chunks must be bytes or strings`, call)
}

module.exports = { pathOf, pump, sourceOf }
