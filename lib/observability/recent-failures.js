'use strict'

const { outcomeOf } = require('./outcome.js')

const CAPACITY = 50

/** What is kept of an error. Not the error itself: its causes hold whatever they were thrown with. */
const FACTS = ['code', 'category', 'status', 'host', 'requestId', 'attempts', 'elapsedMs', 'message', 'userMessage']

/**
 * The calls that failed last, for the person on call. Does nothing while nothing fails. Of the code that comes most often
 * the oldest goes first: an open breaker fails a thousand calls in a second, and must not push out what opened it.
 */
class FailureLog {
  #entries = []

  record(error, { operation, key }) {
    if (outcomeOf(error, operation) !== 'failed') return
    const entry = { at: Date.now(), operation }
    if (key !== undefined) entry.key = key
    for (const name of FACTS) if (Object.hasOwn(error, name)) entry[name] = error[name]
    this.#entries.push(entry)
    if (this.#entries.length > CAPACITY) this.#dropOne()
  }

  #dropOne() {
    const counts = new Map()
    for (const { code } of this.#entries) counts.set(code, (counts.get(code) ?? 0) + 1)
    const most = Math.max(...counts.values())
    this.#entries.splice(
      this.#entries.findIndex(({ code }) => counts.get(code) === most),
      1,
    )
  }

  /** The newest first. */
  list() {
    // Loaded when it is needed: every import of the package would wait for it.
    const { adviceFor } = require('./remediation.js')
    return this.#entries.map((entry) => ({ ...entry, advice: adviceFor(entry) })).reverse()
  }
}

module.exports = { CAPACITY, FailureLog }
