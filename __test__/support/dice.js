'use strict'

// Numbers that are the same for the same seed (mulberry32).

const { randomBytes } = require('node:crypto')

function dice(seed) {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (count) => Math.floor(next() * count)
  const one = (list) => list[below(list.length)]
  const some = (list, most) => Array.from({ length: 1 + below(most) }, () => one(list))
  return { below, one, some, chance: (share) => next() < share }
}

const newSeed = () => randomBytes(4).readUInt32LE()

module.exports = { dice, newSeed }
