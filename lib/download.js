'use strict'

const { reasonOf } = require('./abort.js')
const { fromFailure } = require('./errors.js')

/** The bytes of a native download as a web stream, asked for as they are read. `onEnd` is called once. */
function bodyOf(download, operation, signal, onEnd) {
  let abort
  const end = () => {
    signal?.removeEventListener('abort', abort)
    onEnd()
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
        if (piece === null) controller.close()
        else if (piece.isFailure) controller.error(fromFailure(piece))
        else return controller.enqueue(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength))
        end()
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
