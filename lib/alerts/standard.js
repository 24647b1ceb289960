'use strict'

// The numbers of the standard alerts: `standardRules()` reads them, and docs/operations/alerts.yml is made from them by
// `npm run task alerts`.

/** The operations whose failure loses something. */
const OPERATIONS = Object.freeze(['uploadFile', 'downloadAndUpload'])
/** Of fewer calls in five minutes no rate is judged. */
const MIN_CALLS = 20

/** `for`: how long Prometheus waits before the alert fires; `watch` has it from how often it looks. */
const STANDARD = Object.freeze({
  successRate: { alert: 'ReliableR2SuccessRateLow', severity: 'critical', threshold: 0.99, for: '1m' },
  failures: { alert: 'ReliableR2CallsFailing', severity: 'critical', threshold: 5 },
  retryRate: { alert: 'ReliableR2RetryRateHigh', severity: 'warning', threshold: 0.2, for: '5m' },
  p99Ms: { alert: 'ReliableR2LatencyHigh', severity: 'warning', threshold: 30_000, for: '5m' },
  breaker: { alert: 'ReliableR2BreakerOpen', severity: 'critical', for: '30s' },
})

module.exports = { MIN_CALLS, OPERATIONS, STANDARD }
