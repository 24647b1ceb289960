'use strict'

const { standardRules } = require('./rules.js')
const { guarded } = require('../safe-callback.js')
const { own } = require('../own-properties.js')

/** What a timer can count. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * Judges a storage's metrics every `everyMs` and reports `onAlert` what begins and what is over. A rule that throws is
 * reported once and judges nothing; the others continue.
 */
function watch(storage, options) {
  const { rules, everyMs, onAlert } = readOptions(storage, options)
  const report = guarded(onAlert, 'onAlert')
  const watched = rules.map((rule, index) => ({ judge: isolated(rule, index), firing: new Map() }))

  const check = () => {
    const metrics = frozen(storage.metrics())
    for (const { judge, firing } of watched) {
      const found = judge(metrics)
      if (found) update(firing, found, report)
    }
    return watched.flatMap(({ firing }) => [...firing.values()])
  }

  const tick = guarded(check, 'reading the metrics')
  // It must not keep a process alive that has nothing else to do.
  const timer = setInterval(tick, everyMs)
  timer.unref?.()
  const stop = () => clearInterval(timer)
  return { check, stop, ...(Symbol.dispose && { [Symbol.dispose]: stop }) }
}

/** Brings what is firing up to what was found, and reports the difference. */
function update(firing, found, report) {
  const now = new Date()
  for (const [id, alert] of firing) {
    if (found.has(id)) continue
    firing.delete(id)
    report(Object.freeze({ ...alert, state: 'resolved', endedAt: now }))
  }
  for (const [id, finding] of found) {
    const before = firing.get(id)
    const alert = Object.freeze({ ...finding, state: 'firing', startedAt: before?.startedAt ?? now })
    firing.set(id, alert)
    if (!before) report(alert)
  }
}

/** The rule's findings by what they are about; undefined where it could not be evaluated, which ends and begins nothing. */
function isolated(rule, index) {
  return guarded((metrics) => findingsOf(rule(metrics)), `alert rule ${index + 1}${rule.name && ` (${rule.name})`}`)
}

function findingsOf(result) {
  if (typeof result?.then === 'function') {
    Promise.resolve(result).catch(() => {})
    throw new TypeError('a rule must return what it finds, not a promise')
  }
  const found = new Map()
  for (const finding of [result ?? []].flat()) {
    if (typeof finding?.alert !== 'string' || typeof finding.message !== 'string') {
      throw new TypeError('a rule must return findings, each with an alert and a message, or nothing')
    }
    const { severity = 'warning', subject } = own(finding)
    found.set(JSON.stringify([finding.alert, subject]), { ...finding, severity })
  }
  return found
}

function readOptions(storage, options) {
  if (typeof storage?.metrics !== 'function') throw new TypeError('watch: the first argument must be a storage')
  const { rules = standardRules(), everyMs = 15_000, onAlert, ...others } = own(options)
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw new TypeError(`watch: ${unknown} is not an option`)
  if (typeof onAlert !== 'function') throw new TypeError('watch: onAlert must be a function')
  if (!Array.isArray(rules) || !rules.every((rule) => typeof rule === 'function')) {
    throw new TypeError('watch: rules must be an array of functions')
  }
  if (typeof everyMs !== 'number' || !(everyMs >= 1 && everyMs <= LONGEST_TIMER_MS)) {
    throw new TypeError(`watch: everyMs must be a number from 1 to ${LONGEST_TIMER_MS}`)
  }
  return { rules, everyMs, onAlert }
}

/** All rules read the same snapshot; none can change what the next one reads. */
function frozen(value) {
  if (typeof value !== 'object' || value === null) return value
  Object.values(value).forEach(frozen)
  return Object.freeze(value)
}

module.exports = { watch }
