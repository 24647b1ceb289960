'use strict'

// Faults by chance: numbers that look random and are always the same for the same seed, and the standard mix.

const MASK = (1n << 64n) - 1n

/** FNV-1a, begun with a seed. */
function hash(seed, bytes) {
  const step = (state, byte) => ((state ^ BigInt(byte)) * 0x0000_0100_0000_01b3n) & MASK
  return bytes.reduce(step, step(0xcbf2_9ce4_8422_2325n ^ seed, 0))
}

/** SplitMix64. */
class Draw {
  constructor(seed, name, nth) {
    const count = Buffer.alloc(8)
    count.writeBigUInt64LE(BigInt(nth))
    this.state = hash(hash(BigInt(seed), Buffer.from(name)), count)
  }

  /** Uniform from 0 to 1, without 1. */
  unit() {
    this.state = (this.state + 0x9e37_79b9_7f4a_7c15n) & MASK
    let mixed = this.state
    mixed = ((mixed ^ (mixed >> 30n)) * 0xbf58_476d_1ce4_e5b9n) & MASK
    mixed = ((mixed ^ (mixed >> 27n)) * 0x94d0_49bb_1331_11ebn) & MASK
    mixed ^= mixed >> 31n
    return Number(mixed >> 11n) / 2 ** 53
  }
}

const status = (number, code, more) => ({ fault: 'status', status: number, code, ...more })

/** What a bad day on the line to an object store is made of: percents of all faults, each shared evenly by its faults. */
const MIX = [
  [15, { fault: 'reset', afterBytes: 0 }, { fault: 'fin', afterBytes: Infinity }],
  [15, { fault: 'reset' }],
  [
    25,
    status(500, 'InternalError'),
    status(502, 'BadGateway'),
    status(503, 'ServiceUnavailable'),
    status(504, 'GatewayTimeout'),
  ],
  [5, status(429, 'TooManyRequests', { retryAfter: '0' }), status(429, 'TooManyRequests', { retryAfter: '1' })],
  [10, { fault: 'dropResponse' }],
  [5, { fault: 'hang' }],
  [5, { fault: 'stopReading' }],
  [5, { fault: 'earlyStatus', status: 503, code: 'ServiceUnavailable' }],
  [5, { fault: 'garbage' }, { fault: 'partialHead' }],
  [5, status(400, 'IncompleteBody'), status(400, 'ClientDisconnect')],
]
const WHOLE = MIX.reduce((sum, [percent]) => sum + percent, 0)

/** One of the mix. */
function mixed(draw) {
  let at = draw.unit() * WHOLE
  const [, ...faults] = MIX.find(([percent]) => (at -= percent) < 0) ?? MIX[0]
  return faults[Math.floor(draw.unit() * faults.length)]
}

module.exports = { Draw, mixed }
