'use strict'

// Many uploads under the standard mixed faults of the lab, and what became of each: counted from what the caller was
// reported, from what the proxy saw, and from what is on the server's disk.

const { Lab } = require('./lab.js')

/** Of each object. The faults that break off in the middle of a body act whatever its size is. */
const OBJECT_BYTES = 4096

/**
 * Policies with scaled times, so that a hang costs 300 ms and not half a minute. Counts, growth and jitter are the
 * presets' own. A 429 waits for a second or more all the same: that is R2's rule and no matter of scale.
 */
const scaledPolicies = {
  persistent: { preset: 'persistent', timeout: 300, initialDelayMs: 2, maxDelayMs: 50, deadlineMs: 30_000 },
  aggressive: { preset: 'aggressive', timeout: 300, initialDelayMs: 2, maxDelayMs: 50 },
  fileUpload: { preset: 'fileUpload', timeout: 300, initialDelayMs: 2, maxDelayMs: 50 },
}

const keyOf = (index) => `survival/${index}.bin`

/** Other bytes for each object, so that mixed-up ones are seen. */
const bodyOf = (index) => Buffer.alloc(OBJECT_BYTES, `object ${index} `)

/**
 * Uploads `count` objects, `concurrency` at once, to a local R2 of its own. Which request meets which fault depends
 * on the seed, the key and the number of the attempt alone: every client meets the same ones.
 *
 * @param {(lab: Lab) => (object: {key: string, body: Buffer}) => Promise<unknown>} connect
 * @param {{count: number, rate: number, seed: number, concurrency: number}} plan
 */
async function survive(connect, { count, rate, seed, concurrency }) {
  const lab = await Lab.start()
  try {
    await lab.faults({ fault: 'mix', chance: rate, seed, method: 'PUT' })
    const upload = connect(lab)
    const outcomes = new Array(count)
    let next = 0
    const worker = async () => {
      while (next < count) {
        const index = next++
        const started = performance.now()
        const error = await upload({ key: keyOf(index), body: bodyOf(index) }).then(
          () => undefined,
          (reason) => reason,
        )
        outcomes[index] = { error, ms: performance.now() - started }
      }
    }
    await Promise.all(Array.from({ length: concurrency }, worker))
    // One for each attempt: a request, or a connection whose handshake was cut.
    const attempts = await lab.actions()
    return report(outcomes, attempts, (index) => lab.stored(keyOf(index))?.equals(bodyOf(index)) ?? false)
  } finally {
    await lab.stop()
  }
}

function report(outcomes, attempts, isStored) {
  const actions = {}
  for (const action of attempts) actions[action] = (actions[action] ?? 0) + 1
  const reported = outcomes.map(({ error, ms }, index) => ({ ok: error === undefined, ms, stored: isStored(index) }))
  const times = reported
    .filter(({ ok }) => ok)
    .map(({ ms }) => ms)
    .sort((a, b) => a - b)
  const percentile = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? NaN
  return {
    count: outcomes.length,
    succeeded: times.length,
    /** The caller was informed that it failed. */
    lost: outcomes.length - times.length,
    /** Of the lost ones, those that are stored: a response that got lost was the last thing that happened. */
    falseFailures: reported.filter(({ ok, stored }) => !ok && stored).length,
    /** The caller was informed that it is stored, and other bytes or none are. */
    falseSuccesses: reported.filter(({ ok, stored }) => ok && !stored).length,
    attemptsPerUpload: attempts.length / outcomes.length,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    /** How many attempts the proxy passed on (`forward`) or met with which fault. */
    actions,
    errors: outcomes.flatMap(({ error }) => (error === undefined ? [] : [error])),
  }
}

module.exports = { OBJECT_BYTES, scaledPolicies, survive }
