'use strict'

const { ReadableStream } = require('node:stream/web')
const { endQuietly, onAbort, reasonOf } = require('./abort.js')
const { fromFailure, isFailure } = require('./errors.js')

/**
 * The bytes of a native download as a web stream, asked for as they are read. Either function of `onEnd` is called,
 * once. Whoever cancels has what they wanted.
 */
function bodyOf(download, operation, signal, onEnd) {
  let forget
  const succeeded = () => {
    forget?.()
    onEnd.succeeded()
  }
  const failed = (error) => {
    forget?.()
    onEnd.failed(error)
  }
  return new ReadableStream(
    {
      __proto__: null,
      start(controller) {
        const abort = () => {
          endQuietly(operation)
          controller.error(reasonOf(signal))
          failed(reasonOf(signal))
        }
        // A signal that has fired already calls no listener.
        if (signal?.aborted) return abort()
        if (signal) forget = onAbort(signal, abort)
      },
      async pull(controller) {
        const piece = await download.next()
        if (signal?.aborted) return
        if (piece === null) {
          controller.close()
          return succeeded()
        }
        if (!isFailure(piece))
          return controller.enqueue(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength))
        const error = fromFailure(piece)
        controller.error(error)
        failed(error)
      },
      cancel() {
        download.cancel()
        succeeded()
      },
    },
    { __proto__: null, highWaterMark: 0 },
  )
}

module.exports = { bodyOf }
