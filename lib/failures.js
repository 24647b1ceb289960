'use strict'

const { StorageError } = require('./errors.js')

const CAPACITY = 50

/** What is kept of an error. Not the error itself: its causes hold whatever they were thrown with. */
const FACTS = ['code', 'category', 'status', 'host', 'requestId', 'attempts', 'elapsedMs', 'message', 'userMessage']

/**
 * The calls that failed last, for whoever is on call. Does nothing while nothing fails. Of the code that comes most often
 * the oldest goes first: an open breaker fails a thousand calls in a second, and must not push out what opened it.
 */
class FailureLog {
  #entries = []

  record(error, { operation, key }) {
    if (!isFailure(error, operation)) return
    const entry = { at: Date.now(), operation }
    if (key !== undefined) entry.key = key
    for (const name of FACTS) if (error[name] !== undefined) entry[name] = error[name]
    this.#entries.push(entry)
    if (this.#entries.length > CAPACITY) this.#dropOne()
  }

  #dropOne() {
    const counts = new Map()
    for (const { code } of this.#entries) counts.set(code, (counts.get(code) ?? 0) + 1)
    const most = Math.max(...counts.values())
    this.#entries.splice(this.#entries.findIndex(({ code }) => counts.get(code) === most), 1)
  }

  /** The newest first. */
  list() {
    // Loaded when somebody looks: every import of the package would wait for it.
    const { adviceFor } = require('./advice.js')
    return this.#entries.map((entry) => ({ ...entry, advice: adviceFor(entry) })).reverse()
  }
}

/**
 * Neither an abort nor input that was refused here is a failure; nor is an answer that was asked for. A missing
 * variable is input, too, and yet nothing works until somebody sets it.
 */
function isFailure(error, operation) {
  if (!StorageError.isInstance(error) || error.category === 'aborted') return false
  if (error.category === 'input' && error.attempts === 0) return error.code === 'ERR_MISSING_OPTION'
  return !isAnswer(error, operation)
}

/** What the caller wanted to know: that there is no such object, or that a condition of theirs does not hold. */
function isAnswer({ code, status }, operation) {
  return status === 412 || (operation === 'head' && code === 'NotFound')
}

module.exports = { CAPACITY, FailureLog, isAnswer }
