'use strict'

const { property } = require('./own-properties.js')

/** Whether `value` is an AbortSignal: of this realm, of another, or of a polyfill, which may have no tag. */
function isAbortSignal(value) {
  try {
    const isEventTarget = ['addEventListener', 'removeEventListener'].every(
      (method) => typeof property(value, method) === 'function',
    )
    return isEventTarget && typeof property(value, 'aborted') === 'boolean'
  } catch {
    // A proxy of one, whose getters are not for proxies.
    return false
  }
}

function throwIfAborted(signal) {
  if (signal?.aborted) throw reasonOf(signal)
}

/** Older polyfills have no reason. */
function reasonOf(signal) {
  return signal.reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : signal.reason
}

/** What is to be called, by signal: one listener for all calls that share it, or Node warns of a leak from eleven on. */
const waiting = new WeakMap()

/** Calls `callback` when the signal fires, until the function that this gives is called. */
function onAbort(signal, callback) {
  let entry = waiting.get(signal)
  if (!entry) {
    const callbacks = new Set()
    const listener = () => {
      waiting.delete(signal)
      for (const each of callbacks) each()
    }
    entry = { callbacks, listener }
    waiting.set(signal, entry)
    signal.addEventListener('abort', listener, { once: true })
  }
  const { callbacks, listener } = entry
  // One of its own for each call, even of the same function.
  const own = () => callback()
  callbacks.add(own)
  return () => {
    callbacks.delete(own)
    if (callbacks.size > 0 || waiting.get(signal) !== entry) return
    waiting.delete(signal)
    signal.removeEventListener('abort', listener)
  }
}

/** Ends a native call. For events, whose listeners have nobody to throw to: a call that cannot be ended continues. */
function endQuietly(operation) {
  try {
    operation.abort()
  } catch {
    // See native/panic-guard.js.
  }
}

/** Waits for `promise`, but not longer than until the signal fires: what comes of it then is a consequence. */
async function orAbort(promise, signal) {
  if (!signal) return promise
  throwIfAborted(signal)
  let forget
  const aborted = new Promise((_, reject) => {
    forget = onAbort(signal, () => reject(reasonOf(signal)))
  })
  try {
    return await Promise.race([promise, aborted])
  } catch (error) {
    throwIfAborted(signal)
    throw error
  } finally {
    forget()
  }
}

function sleep(delayMs, signal) {
  let timer
  const elapsed = new Promise((resolve) => {
    timer = setTimeout(resolve, delayMs)
  })
  return orAbort(elapsed, signal).finally(() => clearTimeout(timer))
}

module.exports = { endQuietly, isAbortSignal, onAbort, orAbort, reasonOf, sleep, throwIfAborted }
