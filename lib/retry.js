'use strict'

const { AsyncResource } = require('node:async_hooks')
const native = require('./native/index.js')
const { onAbort, reasonOf, sleep, throwIfAborted } = require('./abort.js')
const { StorageError, fromFailure, isFailure } = require('./errors.js')
const { attemptTimeout, inputError } = require('./local-errors.js')
const { factsOf } = require('./error-chain.js')
const { guarded } = require('./safe-callback.js')
const { readLoop } = require('./input/options.js')

/** What a timer can count; a longer wait would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Calls `fn` until it succeeds or another try cannot help. The numbers and the decisions are native. */
async function retryWithBackoff(fn, presetOrOptions) {
  const call = { operation: 'retryWithBackoff' }
  if (typeof fn !== 'function') throw inputError('ERR_INVALID_OPTION', 'fn', 'fn must be a function', call)
  const { policy, signal, onRetry } = readLoop(presetOrOptions, call)
  throwIfAborted(signal)
  const schedule = native.createRetrySchedule(policy)
  if (isFailure(schedule)) throw fromFailure(schedule)
  const reportRetry = AsyncResource.bind(guarded(onRetry, 'onRetry'))
  const { maxAttempts } = schedule
  const started = performance.now()
  const elapsed = () => performance.now() - started
  for (let attempt = 1; ; attempt += 1) {
    const timeoutMs = Math.min(schedule.attemptTimeoutMs(elapsed()), LONGEST_TIMER_MS)
    const { value, error, failed, timedOut } = await runAttempt(fn, attempt, timeoutMs, signal, elapsed)
    if (!failed) return value
    throwIfAborted(signal)
    if (isFinal(error)) throw error
    const decision = schedule.next(factsOf(error), timedOut, elapsed())
    if (!decision.retry) throw error
    const { delayMs, code } = decision
    reportRetry({ attempt, maxAttempts, delayMs, code, error, elapsedMs: Math.round(elapsed()) })
    await sleep(delayMs, signal)
  }
}

/**
 * One attempt, as a value. Its own signal fires at the timeout and with the caller's; the attempt ends then
 * even if `fn` does not listen.
 */
async function runAttempt(fn, attempt, timeoutMs, signal, elapsed) {
  const controller = new AbortController()
  let timedOut = false
  let timer
  let forget
  try {
    const value = await new Promise((resolve, reject) => {
      // Rejected first: what `fn` throws on its signal is a consequence.
      const end = (reason) => {
        reject(reason)
        controller.abort(reason)
      }
      timer = setTimeout(() => {
        timedOut = true
        end(attemptTimeout(timeoutMs, attempt, Math.round(elapsed())))
      }, timeoutMs)
      if (signal) forget = onAbort(signal, () => end(reasonOf(signal)))
      const run = async () => fn({ attempt, signal: controller.signal })
      run().then(resolve, reject)
    })
    return { value, failed: false }
  } catch (error) {
    return { error, failed: true, timedOut }
  } finally {
    clearTimeout(timer)
    forget?.()
  }
}

/** An upload of ours has been judged where it failed, with more in view than its error shows. */
function isFinal(error) {
  return error instanceof StorageError && !error.retryable
}

function isRetryableError(error) {
  return error instanceof StorageError ? error.retryable : native.classifyError(factsOf(error)).retryable
}

module.exports = { isRetryableError, retryWithBackoff }
