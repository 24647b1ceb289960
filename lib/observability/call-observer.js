'use strict'

const { AsyncResource } = require('node:async_hooks')
const { StorageError } = require('../errors.js')
const { guarded } = require('../safe-callback.js')
const { isUpload } = require('./log.js')
const { outcomeOf } = require('./outcome.js')
const { own } = require('../own-properties.js')

const ABORTED = Object.freeze({ code: 'ERR_ABORTED', category: 'aborted', attempts: 0 })

/**
 * Follows one call: turns native events and the outcome into the caller's callbacks, into events, log lines, a span and
 * measurements. Callbacks run in the async context of the call (AsyncLocalStorage holds the request) and cannot harm it.
 */
class Observer {
  #call
  #callbacks
  #observability
  #span
  #context
  #started = performance.now()
  #attempt = 1
  /** When the attempt began that is under way: after the wait that the one before it was followed by. */
  #attemptBegan = this.#started
  #percent = 0
  #loaded = -1

  constructor(observers, call, observability) {
    const { onProgress, onRetry, onCheckpoint } = own(observers)
    this.#call = call
    this.#observability = observability
    this.#callbacks = {
      onProgress: onProgress && guarded(onProgress, 'onProgress'),
      onRetry: onRetry && guarded(onRetry, 'onRetry'),
      onCheckpoint,
    }
    this.#span = observability.telemetry.begin(call)
    // Not AsyncResource.bind, which takes more time than all else that a small upload does here.
    this.#context = this.#span.within(newContext)
  }

  /** Retries that were reported so far. */
  get retries() {
    return this.#attempt - 1
  }

  /** Whether what an event says is kept for a later process. */
  get keepsCheckpoint() {
    return this.#callbacks.onCheckpoint !== undefined
  }

  handle(event) {
    this.#context.runInAsyncScope(this.#handle, this, event)
  }

  #handle(event) {
    switch (event.kind) {
      case 'retry':
        return this.#retry(event)
      case 'progress':
        return this.#progress(event)
      case 'failover':
        return this.#failover(event)
      case 'checkpoint':
        return this.#callbacks.onCheckpoint?.(event.checkpoint)
      default:
        return undefined
    }
  }

  #progress({ loadedBytes, totalBytes, part, bytesPerSecond }) {
    // All bytes sent is not yet stored: 100 is for the response. Of an unknown length nobody knows the half.
    const percent = totalBytes ? Math.min(99, Math.floor((loadedBytes / totalBytes) * 100)) : 0
    this.#reportProgress(percent, { loadedBytes, totalBytes, part, bytesPerSecond })
  }

  #reportProgress(percent, { loadedBytes, ...detail }) {
    // A repeated attempt starts over; a bar that runs backwards only puzzles.
    if (loadedBytes <= this.#loaded) return
    this.#loaded = loadedBytes
    this.#percent = Math.max(this.#percent, percent)
    this.#callbacks.onProgress?.(this.#percent, { loadedBytes, ...detail, attempt: this.#attempt })
  }

  #retry({ attempt, maxAttempts, delayMs, code, category, message, status, host, attemptMs }) {
    const { log, events } = this.#observability
    const { operation, key } = this.#call
    const failure = { code, category, message, status, host }
    if (events.wants('attempt')) this.#reportAttempt({ attempt, outcome: 'failed', ...failure, attemptMs })
    this.#attempt = attempt + 1
    this.#attemptBegan = performance.now() + delayMs
    const event = { operation, key, attempt, maxAttempts, attemptMs, delayMs, ...failure, elapsedMs: this.#elapsedMs() }
    log.retry(event)
    this.#span.retry(event)
    if (events.wants('retry')) events.emit('retry', event)
    this.#callbacks.onRetry?.(event)
  }

  #failover({ endpoint, code, category, message, status, host }) {
    const { log, events } = this.#observability
    // Where the breaker let nothing through, there was no attempt.
    if (events.wants('attempt') && code !== 'ERR_CIRCUIT_OPEN') {
      this.#reportAttempt({
        attempt: this.#attempt,
        outcome: 'failed',
        code,
        category,
        message,
        status,
        host,
        attemptMs: this.#attemptMs(),
      })
    }
    // The attempts there are counted anew.
    this.#attempt = 1
    this.#attemptBegan = performance.now()
    const { operation, key } = this.#call
    const event = { operation, key, endpoint, code, elapsedMs: this.#elapsedMs() }
    log.failover(event)
    this.#span.failover(event)
    if (events.wants('failover')) events.emit('failover', event)
  }

  succeeded(given) {
    const receipt = own(given)
    const { log, events } = this.#observability
    // The response of a download does not know how often its bytes had to be asked for again.
    const attempts = Math.max(receipt.attempts, this.#attempt)
    if (this.#callbacks.onProgress) this.#reportStored(receipt)
    this.#span.succeeded(receipt)
    if (events.wants('attempt'))
      this.#reportAttempt({ attempt: attempts, outcome: 'succeeded', attemptMs: this.#attemptMs() })
    if (events.wants('success') || log.wants('debug')) {
      const { operation, key } = this.#call
      const { bucket, endpoint, size } = receipt
      const event = { operation, key, endpoint, bucket, attempts, size, elapsedMs: this.#elapsedMs() }
      log.succeeded(event)
      if (events.wants('success')) events.emit('success', event)
    }
  }

  failed(error) {
    const { log, events } = this.#observability
    const { operation, key } = this.#call
    // What is not ours is the reason of the caller's signal.
    const { code, category, attempts, message, status, host } = error instanceof StorageError ? error : ABORTED
    const outcome = outcomeOf(error, operation)
    this.#span.failed(error)
    // An attempt that was aborted has not failed, and where nothing was sent there was none.
    if (outcome !== 'aborted' && attempts > 0 && events.wants('attempt')) {
      const failure = { code, category, message, status, host }
      this.#reportAttempt({ attempt: attempts, outcome: 'failed', ...failure, attemptMs: this.#attemptMs() })
    }
    if (events.wants('failure')) {
      events.emit('failure', { operation, key, outcome, code, category, attempts, error, elapsedMs: this.#elapsedMs() })
    }
    if (isUpload(operation) && outcome === 'failed') log.failed(error)
  }

  #reportStored({ size, parts }) {
    const bytesPerSecond = Math.round(size / Math.max((performance.now() - this.#started) / 1000, 0.001))
    this.#loaded = -1
    this.#reportProgress(100, { loadedBytes: size, totalBytes: size, part: parts, bytesPerSecond })
  }

  #reportAttempt(facts) {
    const { operation, key } = this.#call
    this.#observability.events.emit('attempt', { operation, key, ...facts, elapsedMs: this.#elapsedMs() })
  }

  #elapsedMs() {
    return Math.round(performance.now() - this.#started)
  }

  /** Of the attempt that has ended. */
  #attemptMs() {
    return Math.max(0, Math.round(performance.now() - this.#attemptBegan))
  }
}

function newContext() {
  return new AsyncResource('reliable-r2')
}

module.exports = { Observer }
