'use strict'

// Rules are plain functions: (snapshot of the metrics) => what is wrong. They keep nothing between snapshots, so they
// can be tried on a snapshot from anywhere. docs/operations/alerts.yml has the same for Prometheus.

const WINDOWS = ['lastMinute', 'lastFiveMinutes', 'lastHour', 'total']
const SEVERITIES = ['warning', 'critical']
/** The calls whose failure loses something. */
const UPLOADS = ['uploadFile', 'downloadAndUpload']

/** Fewer calls of a kind succeeded than this share, of those that succeeded or failed. */
function successRateBelow(share, options) {
  requireShare(share, 'successRateBelow')
  const settings = readOptions(options, { severity: 'critical' }, 'successRateBelow')
  return eachOperation(settings, (stats, subject) => {
    const failed = failuresOf(stats)
    const calls = stats.succeeded + failed
    const successRate = stats.succeeded / calls
    if (calls < settings.minCalls || calls === 0 || successRate >= share) return undefined
    const message = `${percent(successRate)} of the calls of ${subject} succeeded, less than ${percent(share)}`
    return { alert: 'ReliableR2SuccessRateLow', message, value: successRate, threshold: share }
  })
}

/** A larger share of attempts than this failed and had to be repeated. */
function retryRateAbove(share, options) {
  requireShare(share, 'retryRateAbove')
  const settings = readOptions(options, { severity: 'warning' }, 'retryRateAbove')
  return eachOperation(settings, ({ attempts, retries, retriesByCode }, subject) => {
    if (attempts < settings.minCalls || retries / attempts <= share) return undefined
    const rate = retries / attempts
    const message = `${percent(rate)} of the attempts of ${subject} were repeated, more than ${percent(share)}; mostly ${mostOf(retriesByCode)}`
    return { alert: 'ReliableR2RetryRateHigh', message, value: rate, threshold: share }
  })
}

/** One call in a hundred took longer than this, waits and retries included. In milliseconds. */
function p99Above(ms, options) {
  requireNumber(ms, 'p99Above')
  const settings = readOptions(options, { severity: 'warning' }, 'p99Above')
  return eachOperation(settings, ({ succeeded, failed, latencyMs }, subject) => {
    if (succeeded + failed < settings.minCalls || !(latencyMs?.p99 > ms)) return undefined
    const message = `one call in a hundred of ${subject} took ${Math.round(latencyMs.p99)} ms or longer, more than ${ms} ms`
    return { alert: 'ReliableR2LatencyHigh', message, value: latencyMs.p99, threshold: ms }
  })
}

/** More calls of a kind failed for good than this. */
function failuresAbove(count, options) {
  requireNumber(count, 'failuresAbove')
  const settings = readOptions(options, { severity: 'critical' }, 'failuresAbove')
  return eachOperation(settings, (stats, subject) => {
    const failed = failuresOf(stats)
    if (failed <= count) return undefined
    const message = `${failed} calls of ${subject} failed, more than ${count}; mostly ${mostOf(withoutAnswers(stats))}`
    return { alert: 'ReliableR2CallsFailing', message, value: failed, threshold: count }
  })
}

/** The circuit breaker of an endpoint is open, or has yet to see that the endpoint is well again. */
function breakerOpen(options) {
  const { severity } = readOptions(options, { severity: 'critical' }, 'breakerOpen')
  return ({ endpoints }) =>
    endpoints
      .filter(({ breaker }) => breaker.state !== 'closed')
      .map(({ endpoint, role, breaker }) => {
        const next = typeof breaker.retryAfterMs !== 'number' ? '' : `; the next request is let through in ${Math.round(breaker.retryAfterMs)} ms`
        const message = `the circuit breaker of ${endpoint} (${role}) is ${breaker.state === 'open' ? 'open' : 'half-open'}${next}`
        return { alert: 'ReliableR2BreakerOpen', subject: endpoint, severity, message }
      })
}

/** What docs/operations/alerts.yml has, with the same numbers. */
function standardRules() {
  return [successRateBelow(0.99), retryRateAbove(0.2), p99Above(30_000), breakerOpen(), failuresAbove(5)]
}

/** That a condition of the caller's does not hold, is what they wanted to know. */
function withoutAnswers({ failuresByCode: { PreconditionFailed: _, ...others } = {} }) {
  return others
}

function failuresOf({ failed, failuresByCode }) {
  return failed - (failuresByCode?.PreconditionFailed ?? 0)
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
  const { window = 'lastFiveMinutes', minCalls = 20, operations = UPLOADS, severity = defaults.severity, ...others } = options ?? {}
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw new TypeError(`${rule}: ${unknown} is not an option`)
  if (!WINDOWS.includes(window)) throw new TypeError(`${rule}: window must be one of '${WINDOWS.join("', '")}'`)
  if (!SEVERITIES.includes(severity)) throw new TypeError(`${rule}: severity must be one of '${SEVERITIES.join("', '")}'`)
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
