'use strict'

const { receiptOf } = require('./receipt.js')

/** The promises of a storage's uploads. Their answers come together, as one text (docs/adr/0011). */
class Answers {
  #calls
  /** How many of the calls wait for an answer from here. */
  #awaited = 0
  /** Weak: the native part holds what it calls, and that is us. */
  #native

  /** @param calls those of the storage that are in flight */
  constructor(calls) {
    this.#calls = calls
  }

  comeFrom(native) {
    this.#native = new WeakRef(native)
  }

  /** What that call of them comes to, which `begin` begins. */
  of(running, begin) {
    return new Promise((resolve) => {
      begin()
      running.resolve = resolve
      this.#awaited += 1
    })
  }

  /** `text` is a JSON array: the id of an upload, its answer (the values of a receipt, or a failure), the next id. */
  settle(text) {
    const answers = JSON.parse(text)
    for (let index = 0; index < answers.length; index += 2) {
      const answer = answers[index + 1]
      this.#calls.get(answers[index])?.resolve(Array.isArray(answer) ? receiptOf(answer) : answer)
      this.#awaited -= 1
    }
    if (this.#awaited === 0) this.#rest()
  }

  /** The process may end. Where that cannot be said, it does not end by itself: see seam.js. */
  #rest() {
    try {
      this.#native.deref()?.rest()
    } catch {
      // There is nobody to throw to.
    }
  }
}

module.exports = { Answers }
