'use strict'

const { reasonOf } = require('./abort.js')
const { fromFailure } = require('./errors.js')

/** The bytes of a native download as a web stream, asked for as they are read. `onEnd` gets the failure, if there is one. */
function bodyOf(download, operation, signal, onEnd) {
  let abort
  const end = (error) => {
    signal?.removeEventListener('abort', abort)
    onEnd(error)
  }
  return new ReadableStream(
    {
      start(controller) {
        abort = () => {
          operation.abort()
          controller.error(reasonOf(signal))
          end()
        }
        signal?.addEventListener('abort', abort, { once: true })
      },
      async pull(controller) {
        const piece = await download.next()
        if (signal?.aborted) return
        if (piece !== null && !piece.isFailure) {
          return controller.enqueue(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength))
        }
        const error = piece?.isFailure ? fromFailure(piece) : undefined
        if (error) controller.error(error)
        else controller.close()
        end(error)
      },
      cancel() {
        download.cancel()
        end()
      },
    },
    { highWaterMark: 0 },
  )
}

module.exports = { bodyOf }
