'use strict'

/** Whether `value` is an AbortSignal, of this realm or of another. */
function isAbortSignal(value) {
  return (
    Object.prototype.toString.call(value) === '[object AbortSignal]' &&
    typeof value.aborted === 'boolean' &&
    typeof value.addEventListener === 'function' &&
    typeof value.removeEventListener === 'function'
  )
}

function throwIfAborted(signal) {
  if (signal?.aborted) throw reasonOf(signal)
}

/** Older polyfills have no reason. */
function reasonOf(signal) {
  return signal.reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : signal.reason
}

/**
 * Runs `run` and calls `abort` when the signal fires. `run` is called before the first await. Whatever it
 * throws once the signal has fired is a consequence, so the caller gets the signal's reason.
 */
async function withSignal(signal, abort, run) {
  if (!signal) return run()
  throwIfAborted(signal)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await run()
  } catch (error) {
    throwIfAborted(signal)
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** Ends a native call. For events, whose listeners have nobody to throw to: a call that cannot be ended goes on. */
function endQuietly(operation) {
  try {
    operation.abort()
  } catch {
    // See seam.js.
  }
}

/** Waits for `promise`, but not longer than until the signal fires. */
function orAbort(promise, signal) {
  if (!signal) return promise
  let abort
  const aborted = new Promise((_, reject) => {
    abort = () => reject(reasonOf(signal))
  })
  return withSignal(signal, abort, () => Promise.race([promise, aborted]))
}

function sleep(delayMs, signal) {
  let timer
  const elapsed = new Promise((resolve) => {
    timer = setTimeout(resolve, delayMs)
  })
  return orAbort(elapsed, signal).finally(() => clearTimeout(timer))
}

module.exports = { endQuietly, isAbortSignal, orAbort, reasonOf, sleep, throwIfAborted, withSignal }
