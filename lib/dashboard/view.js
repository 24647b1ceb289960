'use strict'

const { hostname } = require('node:os')
const { meaningOf } = require('../observability/remediation.js')
const { healthOf } = require('./health.js')

/** What the page shows, as JSON. History and failures come from the storage, so that a reload loses nothing. */
function viewOf(storage, version, canSignOut) {
  const { ageMs, operations, endpoints } = storage.metrics()
  return {
    at: Date.now(),
    version,
    // Each process counts for itself; behind a load balancer the next response may be another's.
    process: { host: hostname(), pid: process.pid },
    ageMs,
    canSignOut,
    health: healthOf({ operations, endpoints }),
    operations,
    endpoints,
    failures: storage.recentFailures(),
    meanings: meaningsOf(operations),
  }
}

function meaningsOf(operations) {
  const codes = new Set(
    Object.values(operations).flatMap(({ total }) => [
      ...Object.keys(total.retriesByCode),
      ...Object.keys(total.failuresByCode),
    ]),
  )
  return Object.fromEntries(Array.from(codes, (code) => [code, meaningOf(code)]).filter(([, meaning]) => meaning))
}

module.exports = { viewOf }
