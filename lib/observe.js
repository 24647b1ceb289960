'use strict'

const { AsyncResource } = require('node:async_hooks')
const { StorageError } = require('./errors.js')
const { guarded } = require('./guarded.js')
const { isUpload } = require('./log.js')

const CALLED_OFF = Object.freeze({ code: 'ERR_ABORTED', category: 'aborted', attempts: 0 })

/**
 * Follows one call: turns native events and the outcome into the caller's callbacks, into events, log lines, a span and
 * measurements. Callbacks run in the async context of the call (AsyncLocalStorage holds the request) and cannot harm it.
 */
function observe({ onProgress, onRetry, onCheckpoint }, call, { events, log, telemetry }) {
  const { operation, key } = call
  const started = performance.now()
  const elapsed = () => Math.round(performance.now() - started)
  const span = telemetry.begin(call)
  const tellProgress = guarded(onProgress, 'onProgress')
  const tellRetry = guarded(onRetry, 'onRetry')
  let attempt = 1
  /** When the attempt began that is under way: after the wait that the one before it was followed by. */
  let attemptBegan = started
  let percent = 0
  let loaded = -1

  const progress = (next, { loadedBytes, ...detail }) => {
    // A repeated attempt starts over; a bar that runs backwards only puzzles.
    if (loadedBytes <= loaded) return
    loaded = loadedBytes
    percent = Math.max(percent, next)
    tellProgress(percent, { loadedBytes, ...detail, attempt })
  }

  /** Of the attempt that has ended. */
  const attemptMs = () => Math.max(0, Math.round(performance.now() - attemptBegan))
  const tellAttempt = (facts) => events.tell('attempt', { operation, key, ...facts, elapsedMs: elapsed() })

  const on = {
    checkpoint: ({ checkpoint }) => onCheckpoint?.(checkpoint),

    progress({ loadedBytes, totalBytes, part, bytesPerSecond }) {
      // All bytes sent is not yet stored: 100 is for the answer. Of an unknown length nobody knows the half.
      const next = totalBytes ? Math.min(99, Math.floor((loadedBytes / totalBytes) * 100)) : 0
      progress(next, { loadedBytes, totalBytes, part, bytesPerSecond })
    },

    retry({ attempt: failed, maxAttempts, delayMs, code, category, message, status, host, attemptMs: took }) {
      const failure = { code, category, message, status, host }
      if (events.wants('attempt')) tellAttempt({ attempt: failed, outcome: 'failed', ...failure, attemptMs: took })
      attempt = failed + 1
      attemptBegan = performance.now() + delayMs
      const event = { operation, key, attempt: failed, maxAttempts, attemptMs: took, delayMs, ...failure, elapsedMs: elapsed() }
      log.retry(event)
      span.retry(event)
      if (events.wants('retry')) events.tell('retry', event)
      tellRetry(event)
    },

    failover({ endpoint, code, category, message, status, host }) {
      // Where the breaker let nothing through, there was no attempt.
      if (events.wants('attempt') && code !== 'ERR_CIRCUIT_OPEN') {
        tellAttempt({ attempt, outcome: 'failed', code, category, message, status, host, attemptMs: attemptMs() })
      }
      // The attempts there are counted anew.
      attempt = 1
      attemptBegan = performance.now()
      const event = { operation, key, endpoint, code, elapsedMs: elapsed() }
      log.failover(event)
      span.failover(event)
      if (events.wants('failover')) events.tell('failover', event)
    },
  }

  // Not AsyncResource.bind, which takes more time than all else that a small upload does here.
  const context = span.within(() => new AsyncResource('reliable-r2'))
  return {
    wantsProgress: onProgress !== undefined,
    handle: (event) => context.runInAsyncScope(() => on[event.kind]?.(event)),
    /** Retries that were told so far. */
    retries: () => attempt - 1,
    /** Runs the work as a part of this call. */
    within: span.within,

    succeeded(receipt) {
      const { bucket, endpoint, size, parts } = receipt
      // The answer of a download does not know how often its bytes had to be asked for again.
      const attempts = Math.max(receipt.attempts, attempt)
      if (onProgress) {
        const bytesPerSecond = Math.round(size / Math.max((performance.now() - started) / 1000, 0.001))
        loaded = -1
        progress(100, { loadedBytes: size, totalBytes: size, part: parts, bytesPerSecond })
      }
      span.succeeded(receipt)
      if (events.wants('attempt')) tellAttempt({ attempt: attempts, outcome: 'succeeded', attemptMs: attemptMs() })
      if (events.wants('success') || log.wants('debug')) {
        const event = { operation, key, endpoint, bucket, attempts, size, elapsedMs: elapsed() }
        log.succeeded(event)
        if (events.wants('success')) events.tell('success', event)
      }
    },

    failed(error) {
      // What is not ours is the reason of the caller's signal.
      const { code, category, attempts, message, status, host } = StorageError.isInstance(error) ? error : CALLED_OFF
      span.failed(error)
      // An attempt that was called off has not failed, and where nothing was sent there was none.
      if (category !== 'aborted' && attempts > 0 && events.wants('attempt')) {
        const failure = { code, category, message, status, host }
        tellAttempt({ attempt: attempts, outcome: 'failed', ...failure, attemptMs: attemptMs() })
      }
      if (events.wants('failure')) events.tell('failure', { operation, key, code, category, attempts, error, elapsedMs: elapsed() })
      if (isUpload(operation) && isLoss(error)) log.failed(error)
    },
  }
}

/** Neither input that was refused here nor an abort is a failed upload. */
function isLoss(error) {
  if (!StorageError.isInstance(error) || error.category === 'aborted') return false
  return error.category !== 'input' || error.attempts > 0
}

module.exports = { observe }
