'use strict'

const { InFlight } = require('./id-map.js')
const { receiptOf } = require('./results.js')

/**
 * The promises of a storage's uploads, and nothing else: the addon holds what is here. Their responses come together,
 * as one text (docs/adr/0011).
 */
class PendingUploads {
  #waiting = new InFlight()
  /** Weak: the addon holds what it calls, and that is us. */
  #native

  comeFrom(native) {
    this.#native = new WeakRef(native)
  }

  /** What the upload with that id comes to, which `begin` begins. */
  of(id, begin) {
    return new Promise((resolve) => {
      begin()
      this.#waiting.add(id, resolve)
    })
  }

  /** `text` is a JSON array: the id of an upload, its response (the values of a receipt, or a failure), the next id. */
  settle(text) {
    const responses = JSON.parse(text)
    for (let index = 0; index < responses.length; index += 2) {
      const [id, response] = [responses[index], responses[index + 1]]
      this.#waiting.get(id)?.(Array.isArray(response) ? receiptOf(response) : response)
      this.#waiting.delete(id)
    }
    if (this.#waiting.size === 0) this.#rest()
  }

  /** The process may end. Where that cannot be said, it does not end by itself: see call.js. */
  #rest() {
    try {
      this.#native.deref()?.rest()
    } catch {
      // There is nobody to throw to.
    }
  }
}

module.exports = { PendingUploads }
