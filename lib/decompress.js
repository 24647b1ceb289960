'use strict'

// Bodies of objects that were stored compressed, decompressed as they are read.

const { once } = require('node:events')
const { createBrotliDecompress, createGunzip } = require('node:zlib')
const { encodingError } = require('./local-errors.js')

/** By content coding: what `compress` stores, and the old name of gzip. Another coding stays as it is. */
const DECODERS = { __proto__: null, gzip: createGunzip, 'x-gzip': createGunzip, br: createBrotliDecompress }

/** The content coding of an object that its body can be decompressed from; undefined if there is none. */
function codingOf(contentEncoding = '') {
  const names = contentEncoding.split(',').map((name) => name.trim().toLowerCase())
  const codings = names.filter((name) => !['', 'identity', 'aws-chunked'].includes(name))
  return codings.length === 1 && codings[0] in DECODERS ? codings[0] : undefined
}

/** `body`, a web stream of compressed bytes, as a web stream of what was compressed. */
function decompressed(body, coding, call) {
  const reader = body.getReader()
  const decoder = DECODERS[coding]()
  const chunks = decoder[Symbol.asyncIterator]()
  /** Set once the compressed bytes could not be read: then it is no fault of theirs. */
  let failure
  const feed = async () => {
    try {
      for (;;) {
        const { done, value } = await reader.read()
        if (done || decoder.destroyed) break
        // An error of the decoder ends the wait, and is met by whoever reads.
        if (!decoder.write(value)) await once(decoder, 'drain').catch(() => undefined)
      }
      decoder.end()
    } catch (reason) {
      failure = { reason }
      decoder.destroy()
    }
  }
  let started = false
  return new ReadableStream(
    {
      async pull(controller) {
        if (!started) void feed()
        started = true
        try {
          const { done, value } = await chunks.next()
          if (failure) throw failure.reason
          if (done) return controller.close()
          controller.enqueue(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
        } catch (error) {
          if (failure) return controller.error(failure.reason)
          void reader.cancel(error).catch(() => undefined)
          controller.error(encodingError(coding, error, call))
        }
      },
      async cancel(reason) {
        decoder.destroy()
        await reader.cancel(reason)
      },
    },
    { highWaterMark: 0 },
  )
}

module.exports = { codingOf, decompressed }
