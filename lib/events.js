'use strict'

const { channels, eventNames } = require('./channels.js')
const { guarded } = require('./guarded.js')
const { didYouMean, invalid } = require('./shape.js')

/** The events of one storage, for its own listeners and for the channels of the process. */
class Events {
  /** By name: each listener, and what is called in its place. */
  #listeners = new Map()

  /** A listener that is there already is not added again. */
  on(name, listener) {
    requireEvent(name, 'on')
    if (typeof listener !== 'function') throw invalid('listener', 'listener must be a function', { operation: 'on' })
    let listeners = this.#listeners.get(name)
    if (!listeners) this.#listeners.set(name, (listeners = new Map()))
    if (!listeners.has(listener)) listeners.set(listener, guarded(listener, `a listener of '${name}'`))
  }

  off(name, listener) {
    requireEvent(name, 'off')
    const listeners = this.#listeners.get(name)
    if (listeners?.delete(listener) && listeners.size === 0) this.#listeners.delete(name)
  }

  /** Whether anybody listens: ask before you make an event. */
  wants(name) {
    return channels[name].hasSubscribers || this.#listeners.has(name)
  }

  tell(name, event) {
    // Many get the same object, and the first must not change what the next one sees.
    Object.freeze(event)
    if (channels[name].hasSubscribers) channels[name].publish(event)
    // Those of now: one that adds itself again would be called again.
    for (const call of [...(this.#listeners.get(name)?.values() ?? [])]) call(event)
  }
}

function requireEvent(name, operation) {
  if (eventNames.includes(name)) return
  const near = typeof name === 'string' ? didYouMean(name, eventNames) : ''
  throw invalid('name', `there is no such event; there are '${eventNames.join("', '")}'${near}`, { operation })
}

module.exports = { Events }
