'use strict'

const { AsyncResource } = require('node:async_hooks')
const { publish, retried } = require('./channels.js')

/**
 * Follows one call: turns native events into the caller's callbacks and log lines. Callbacks run in the
 * async context of the call (AsyncLocalStorage holds the request) and cannot harm it.
 */
function observe({ onProgress, onRetry, onCheckpoint }, { operation, key }, log) {
  const started = performance.now()
  const tellProgress = guarded(onProgress, 'onProgress')
  const tellRetry = guarded(onRetry, 'onRetry')
  let attempt = 1
  let percent = 0
  let loaded = -1

  const progress = (next, { loadedBytes, ...detail }) => {
    // A repeated attempt starts over; a bar that runs backwards only puzzles.
    if (loadedBytes <= loaded) return
    loaded = loadedBytes
    percent = Math.max(percent, next)
    tellProgress(percent, { loadedBytes, ...detail, attempt })
  }

  const handle = (event) => {
    if (event.kind === 'checkpoint') return onCheckpoint?.(event.checkpoint)
    if (event.kind === 'failover') {
      // The attempts there are counted anew.
      attempt = 1
      return
    }
    if (event.kind === 'progress') {
      const { loadedBytes, totalBytes, part, bytesPerSecond } = event
      // All bytes sent is not yet stored: 100 is for the answer. Of an unknown length nobody knows the half.
      const next = totalBytes ? Math.min(99, Math.floor((loadedBytes / totalBytes) * 100)) : 0
      progress(next, { loadedBytes, totalBytes, part, bytesPerSecond })
      return
    }
    attempt = event.attempt + 1
    const { attempt: failed, maxAttempts, attemptMs, delayMs, code, category, message, status, host } = event
    const facts = { attempt: failed, maxAttempts, attemptMs, delayMs, code, category, message, status, host }
    const elapsedMs = Math.round(performance.now() - started)
    log.retry({ ...facts, operation, key, elapsedMs })
    publish(retried, () => ({ operation, key, ...facts, elapsedMs }))
    tellRetry({ operation, key, ...facts, elapsedMs })
  }

  // Not AsyncResource.bind, which takes more time than all else that a small upload does here.
  const context = new AsyncResource('reliable-r2')
  return {
    wantsProgress: onProgress !== undefined,
    handle: (event) => context.runInAsyncScope(handle, undefined, event),
    /** Retries that were told so far. */
    retries: () => attempt - 1,
    succeeded({ size, parts }) {
      const bytesPerSecond = Math.round(size / Math.max((performance.now() - started) / 1000, 0.001))
      loaded = -1
      progress(100, { loadedBytes: size, totalBytes: size, part: parts, bytesPerSecond })
    },
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
