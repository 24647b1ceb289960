'use strict'

// Rules are plain functions: (snapshot of the metrics) => what is wrong. They keep nothing between snapshots, so they
// can be tried on a snapshot from anywhere.

const { own } = require('../own-properties.js')
const { MIN_CALLS, OPERATIONS, STANDARD } = require('./standard.js')

const WINDOWS = ['lastMinute', 'lastFiveMinutes', 'lastHour', 'total']
const SEVERITIES = ['warning', 'critical']

/** Fewer calls of a kind succeeded than this share, of those that succeeded or failed. */
function successRateBelow(share, options) {
  requireShare(share, 'successRateBelow')
  const settings = readOptions(options, STANDARD.successRate, 'successRateBelow')
  return eachOperation(settings, ({ succeeded, failed }, subject) => {
    const calls = succeeded + failed
    const successRate = succeeded / calls
    if (calls < settings.minCalls || calls === 0 || successRate >= share) return undefined
    const message = `${percent(successRate)} of the calls of ${subject} succeeded, less than ${percent(share)}`
    return { alert: STANDARD.successRate.alert, message, value: successRate, threshold: share }
  })
}

/** A larger share of attempts than this failed and had to be repeated. */
function retryRateAbove(share, options) {
  requireShare(share, 'retryRateAbove')
  const settings = readOptions(options, STANDARD.retryRate, 'retryRateAbove')
  return eachOperation(settings, ({ attempts, retries, retriesByCode }, subject) => {
    if (attempts < settings.minCalls || retries / attempts <= share) return undefined
    const rate = retries / attempts
    const message = `${percent(rate)} of the attempts of ${subject} were repeated, more than ${percent(share)}; mostly ${mostOf(retriesByCode)}`
    return { alert: STANDARD.retryRate.alert, message, value: rate, threshold: share }
  })
}

/** One call in a hundred took longer than this, waits and retries included. In milliseconds. */
function p99Above(ms, options) {
  requireNumber(ms, 'p99Above')
  const settings = readOptions(options, STANDARD.p99Ms, 'p99Above')
  return eachOperation(settings, ({ succeeded, failed, latencyMs }, subject) => {
    if (succeeded + failed < settings.minCalls || !(latencyMs?.p99 > ms)) return undefined
    const message = `one call in a hundred of ${subject} took ${Math.round(latencyMs.p99)} ms or longer, more than ${ms} ms`
    return { alert: STANDARD.p99Ms.alert, message, value: latencyMs.p99, threshold: ms }
  })
}

/** More calls of a kind failed for good than this. */
function failuresAbove(count, options) {
  requireNumber(count, 'failuresAbove')
  const settings = readOptions(options, STANDARD.failures, 'failuresAbove')
  return eachOperation(settings, ({ failed, failuresByCode }, subject) => {
    if (failed <= count) return undefined
    const message = `${failed} calls of ${subject} failed, more than ${count}; mostly ${mostOf(failuresByCode)}`
    return { alert: STANDARD.failures.alert, message, value: failed, threshold: count }
  })
}

/** The circuit breaker of an endpoint is open, or has yet to see that the endpoint is well again. */
function breakerOpen(options) {
  const { severity } = readOptions(options, STANDARD.breaker, 'breakerOpen')
  return ({ endpoints }) =>
    endpoints
      .filter(({ breaker }) => breaker.state !== 'closed')
      .map(({ endpoint, role, breaker }) => {
        const next =
          typeof breaker.retryAfterMs !== 'number'
            ? ''
            : `; the next request is let through in ${Math.round(breaker.retryAfterMs)} ms`
        const message = `the circuit breaker of ${endpoint} (${role}) is ${breaker.state === 'open' ? 'open' : 'half-open'}${next}`
        return { alert: STANDARD.breaker.alert, subject: endpoint, severity, message }
      })
}

function standardRules() {
  const { successRate, retryRate, p99Ms, failures } = STANDARD
  return [
    successRateBelow(successRate.threshold),
    retryRateAbove(retryRate.threshold),
    p99Above(p99Ms.threshold),
    breakerOpen(),
    failuresAbove(failures.threshold),
  ]
}

function eachOperation({ window, operations, severity }, judge) {
  return (metrics) =>
    operations.flatMap((subject) => {
      const stats = metrics.operations[subject]?.[window]
      const found = stats && judge(stats, subject)
      return found ? [{ ...found, subject, severity }] : []
    })
}

function readOptions(options, defaults, rule) {
  const {
    window = 'lastFiveMinutes',
    minCalls = MIN_CALLS,
    operations = OPERATIONS,
    severity = defaults.severity,
    ...others
  } = own(options)
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw new TypeError(`${rule}: ${unknown} is not an option`)
  if (!WINDOWS.includes(window)) throw new TypeError(`${rule}: window must be one of '${WINDOWS.join("', '")}'`)
  if (!SEVERITIES.includes(severity))
    throw new TypeError(`${rule}: severity must be one of '${SEVERITIES.join("', '")}'`)
  if (!Array.isArray(operations)) throw new TypeError(`${rule}: operations must be an array of names of calls`)
  requireNumber(minCalls, `${rule}: minCalls`)
  return { window, minCalls, operations, severity }
}

function requireNumber(value, what) {
  if (typeof value === 'number' && value >= 0) return
  throw new TypeError(`${what} must be a number, 0 or more`)
}

function requireShare(value, what) {
  if (typeof value === 'number' && value >= 0 && value <= 1) return
  throw new TypeError(`${what} must be a share from 0 to 1`)
}

/** Rounded away from the whole: 99.96 % is not 100 %. */
function percent(share) {
  return `${Math.floor(share * 1000) / 10} %`
}

function mostOf(byCode) {
  const [first] = Object.entries(byCode).sort(([, a], [, b]) => b - a)
  return first ? first[0] : 'without a code'
}

module.exports = { breakerOpen, failuresAbove, p99Above, retryRateAbove, standardRules, successRateBelow }
