'use strict'

/** The promises of a storage's uploads. Their answers come together, as one text (docs/adr/0011). */
class Answers {
  #waiting = new Map()

  /** What the upload with that id comes to, which `begin` begins. */
  of(id, begin) {
    return new Promise((resolve) => {
      begin()
      this.#waiting.set(id, resolve)
    })
  }

  /** Settles those whose answers are there. */
  takeFrom(storage) {
    const answers = JSON.parse(storage.takeAnswers())
    for (let index = 0; index < answers.length; index += 2) {
      const id = answers[index]
      this.#waiting.get(id)?.(answers[index + 1])
      this.#waiting.delete(id)
    }
    if (this.#waiting.size === 0) storage.rest()
  }
}

module.exports = { Answers }
