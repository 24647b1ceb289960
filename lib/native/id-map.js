'use strict'

/**
 * What belongs to calls in flight, by their ids. Not a Map: the tables that one goes through point each to the next, so
 * that one which has grown old keeps all that was ever in a later one until V8's next full collection (docs/adr/0016).
 */
class InFlight {
  #byId = Object.create(null)
  #size = 0

  get size() {
    return this.#size
  }

  has(id) {
    return this.#byId[id] !== undefined
  }

  get(id) {
    return this.#byId[id]
  }

  /** Under an id that has nothing yet. */
  add(id, value) {
    this.#byId[id] = value
    this.#size += 1
  }

  /** Whether there was something. */
  delete(id) {
    if (!this.has(id)) return false
    this.#size -= 1
    return delete this.#byId[id]
  }
}

module.exports = { InFlight }
