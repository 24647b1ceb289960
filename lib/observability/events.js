'use strict'

const { channel } = require('node:diagnostics_channel')
const { isAbortSignal, onAbort } = require('../abort.js')
const { guarded } = require('../safe-callback.js')
const { didYouMean, invalid, readObject, reader } = require('../input/validate.js')

/** See the `StorageEvents` of index.d.ts. */
const eventNames = Object.freeze(['attempt', 'retry', 'success', 'failure', 'breaker', 'failover'])

/** For tools that watch a whole process. A channel without subscribers costs nothing. */
const channels = Object.fromEntries(eventNames.map((name) => [name, channel(`reliable-r2:${name}`)]))

const LISTENER = {
  once: reader('true or false', (value) => typeof value === 'boolean'),
  signal: reader('an AbortSignal', isAbortSignal),
}

/** The events of one storage, for its own listeners and for the channels of the process. */
class Events {
  /** By name: each listener, with what is called in its place, and what forgets its signal. */
  #listeners = new Map()

  /** A listener that is there already is not added again. `options`: { once, signal }, as those of addEventListener. */
  on(name, listener, options) {
    const call = { operation: 'on' }
    requireEvent(name, 'on')
    if (typeof listener !== 'function') throw invalid('listener', 'listener must be a function', call)
    const { once = false, signal } = readObject(LISTENER, options ?? {}, 'options', call)
    if (signal?.aborted) return
    let listeners = this.#listeners.get(name)
    if (!listeners) this.#listeners.set(name, (listeners = new Map()))
    if (listeners.has(listener)) return
    const guardedListener = guarded(listener, `a listener of '${name}'`)
    const remove = () => this.off(name, listener)
    const notifyOnce = (event) => {
      remove()
      guardedListener(event)
    }
    listeners.set(listener, { notify: once ? notifyOnce : guardedListener, forget: signal && onAbort(signal, remove) })
  }

  off(name, listener) {
    requireEvent(name, 'off')
    const listeners = this.#listeners.get(name)
    listeners?.get(listener)?.forget?.()
    if (listeners?.delete(listener) && listeners.size === 0) this.#listeners.delete(name)
  }

  /** Whether there are listeners: check before you make an event. */
  wants(name) {
    return channels[name].hasSubscribers || this.#listeners.has(name)
  }

  emit(name, event) {
    // All listeners get the same object; none may change what the next one sees.
    Object.freeze(event)
    if (channels[name].hasSubscribers) channels[name].publish(event)
    // A copy: a listener may add or remove listeners.
    for (const { notify } of [...(this.#listeners.get(name)?.values() ?? [])]) notify(event)
  }
}

function requireEvent(name, operation) {
  if (eventNames.includes(name)) return
  const near = typeof name === 'string' ? didYouMean(name, eventNames) : ''
  throw invalid('name', `unknown event; expected one of '${eventNames.join("', '")}'${near}`, { operation })
}

module.exports = { Events }
