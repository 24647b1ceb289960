'use strict'

const { AsyncResource } = require('node:async_hooks')

/**
 * Follows one call: turns native events into the caller's callbacks and log lines. Callbacks run in the
 * async context of the call (AsyncLocalStorage holds the request) and cannot harm it.
 */
function observe({ onProgress, onRetry }, { operation, key }, log) {
  const started = performance.now()
  const tellProgress = guarded(onProgress, 'onProgress')
  const tellRetry = guarded(onRetry, 'onRetry')
  let attempt = 1
  let percent = -1

  const progress = (next, loadedBytes, totalBytes) => {
    // A repeated attempt starts over; a bar that runs backwards only puzzles.
    if (next <= percent) return
    percent = next
    tellProgress(percent, { loadedBytes, totalBytes, attempt })
  }

  const handle = (event) => {
    if (event.kind === 'progress') {
      const { loadedBytes, totalBytes } = event
      // All bytes sent is not yet stored: 100 is for the answer.
      if (totalBytes > 0) progress(Math.min(99, Math.floor((loadedBytes / totalBytes) * 100)), loadedBytes, totalBytes)
      return
    }
    attempt = event.attempt + 1
    const { id, kind, loadedBytes, totalBytes, ...facts } = event
    const elapsedMs = Math.round(performance.now() - started)
    log.retry({ ...facts, operation, key, elapsedMs })
    tellRetry({ operation, key, ...facts, elapsedMs })
  }

  return {
    wantsProgress: onProgress !== undefined,
    handle: AsyncResource.bind(handle),
    /** Retries that were told so far. */
    retries: () => attempt - 1,
    succeeded: ({ size }) => progress(100, size, size),
  }
}

/** A callback that throws, now or later, costs its owner a warning and the call nothing. */
function guarded(callback, name) {
  if (callback === undefined) return () => {}
  let warned = false
  const warn = (error) => {
    if (warned) return
    warned = true
    const reason = error instanceof Error ? error.stack ?? error.message : typeof error
    process.emitWarning(`${name} threw; the call goes on. ${reason}`, { type: 'ReliableR2Warning' })
  }
  return (...args) => {
    try {
      const result = callback(...args)
      if (typeof result?.then === 'function') result.then(undefined, warn)
    } catch (error) {
      warn(error)
    }
  }
}

module.exports = { guarded, observe }
