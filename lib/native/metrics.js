'use strict'

// What the addon counts, as callers get it. What does not exist (a rate of no calls) is null rather than absent:
// dashboards read every field.

const ROLES = { true: 'primary', false: 'failover' }

function fromMetrics(ageMs, operations, endpoints) {
  return {
    ageMs,
    operations: Object.fromEntries(operations.map(({ operation, ...stats }) => [operation, fromOperation(stats)])),
    endpoints: endpoints.map(fromEndpoint),
  }
}

function fromOperation({ minutes, hour, ...windows }) {
  const named = Object.entries(windows).map(([name, stats]) => [name, fromStats(stats)])
  const history = { lastFiveMinutes: minutes.map(fromStep), lastHour: hour.map(fromStep) }
  return { ...Object.fromEntries(named), history }
}

function fromStats({ phasesMs: { attempt = null, wait = null, queue = null }, ...stats }) {
  const { successRate = null, latencyMs = null } = stats
  return { ...stats, successRate, latencyMs, phasesMs: { attempt, wait, queue } }
}

function fromStep({ latencyMs = null, ...step }) {
  return { ...step, latencyMs }
}

function fromEndpoint(status) {
  const { endpoint, bucket, isPrimary, breakerState, retryAfterMs = null, opened, inFlight, queued } = status
  const { requestsPerSecond = null, concurrency = null, reconnects } = status
  const { objectsVerifiedBy = null, partsVerifiedBy = null } = status
  return {
    endpoint,
    bucket,
    role: ROLES[isPrimary],
    breaker: { state: breakerState, retryAfterMs, opened },
    pacing: { limiting: requestsPerSecond !== null, requestsPerSecond, concurrency },
    inFlight,
    queued,
    reconnects,
    verifiedBy: { objects: objectsVerifiedBy, parts: partsVerifiedBy },
  }
}

module.exports = { fromMetrics }
