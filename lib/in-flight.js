'use strict'

/**
 * Calls in flight, by the ids that come back with their events and answers. Not a Map: the tables that one goes through
 * point each to the next, so that one which has grown old keeps all that was ever in a later one until V8's next full
 * collection (docs/adr/0016).
 */
class InFlight {
  #byId = Object.create(null)
  #lastId = 0

  /** Never 0, which is of no call. */
  nextId() {
    do this.#lastId = (this.#lastId + 1) >>> 0
    while (this.#lastId === 0 || this.#has(this.#lastId))
    return this.#lastId
  }

  add(id, call) {
    this.#byId[id] = call
  }

  get(id) {
    return this.#byId[id]
  }

  /** Whether it was there. */
  delete(id) {
    return this.#has(id) && delete this.#byId[id]
  }

  #has(id) {
    return this.#byId[id] !== undefined
  }
}

module.exports = { InFlight }
