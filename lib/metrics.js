'use strict'

/** What does not exist (a rate of no calls) is null rather than absent: dashboards read every field. */
function fromWindows(windows) {
  const named = Object.entries(windows).map(([name, stats]) => [name, { ...stats, successRate: stats.successRate ?? null, latencyMs: stats.latencyMs ?? null }])
  return Object.fromEntries(named)
}

module.exports = { fromWindows }
