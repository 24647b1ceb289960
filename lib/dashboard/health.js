'use strict'

// How things are, in one word and in sentences: what is read first by somebody who was just woken up.

/** Of the last five minutes' calls; fewer lost ones are noise, which the page lists below. */
const DEGRADED_LOST = 0.01
const DEGRADED_RETRIES = 0.1
/** Of the last minute's calls, so that an outage is seen while it begins. */
const OUTAGE_LOST = 0.5
/** Of so few calls no rate says anything. */
const FEWEST_CALLS = 3

/** @returns {{ state: 'well' | 'degraded' | 'outage' | 'quiet' | 'unused', reasons: string[] }} */
function healthOf({ operations, endpoints }) {
  const all = Object.values(operations)
  if (all.every(({ total }) => total.calls === 0)) return { state: 'unused', reasons: [] }
  const minute = sum(all.map(({ lastMinute }) => lastMinute))
  const recent = sum(all.map(({ lastFiveMinutes }) => lastFiveMinutes))

  const breakers = endpoints.filter(({ breaker }) => breaker.state !== 'closed')
  const open = breakers.map(({ endpoint, role, breaker }) => {
    const next = breaker.state === 'halfOpen' ? 'a probe is under way' : 'requests are held back'
    return `The breaker of ${role === 'failover' ? 'the failover ' : ''}${hostOf(endpoint)} is ${breaker.state === 'open' ? 'open' : 'half open'}: ${next}.`
  })
  const isCutOff = endpoints.length > 0 && endpoints.every(({ breaker }) => breaker.state === 'open')
  const isFailing = minute.ended >= FEWEST_CALLS && minute.lost / minute.ended >= OUTAGE_LOST
  if (isCutOff || isFailing) {
    return { state: 'outage', reasons: [...open, ...(minute.lost > 0 ? [lostSentence(minute, 'minute')] : [])] }
  }

  const reasons = [...open]
  if (recent.lost > 0 && recent.lost / recent.ended >= DEGRADED_LOST) reasons.push(lostSentence(recent, '5 minutes'))
  if (recent.calls >= FEWEST_CALLS && recent.retries / recent.calls >= DEGRADED_RETRIES) {
    reasons.push(
      `${count(recent.retries, 'retry', 'retries')} in ${count(recent.calls, 'call')}: the network or the storage is unsteady.`,
    )
  }
  for (const { endpoint, pacing, queued } of endpoints) {
    const waiting = queued > 0 ? `; ${queued.toLocaleString('en')} wait` : ''
    if (pacing.limiting)
      reasons.push(`Requests to ${hostOf(endpoint)} are slowed down because it asks for less${waiting}.`)
  }
  if (reasons.length > 0) return { state: 'degraded', reasons }
  if (recent.calls === 0) return { state: 'quiet', reasons: ['No call has ended in the last 5 minutes.'] }
  const retried = recent.retries > 0 ? `, with ${count(recent.retries, 'retry', 'retries')}` : ''
  const lost =
    recent.lost > 0
      ? lostSentence(recent, '5 minutes')
      : `${count(recent.calls, 'call')} in the last 5 minutes, none lost${retried}.`
  return { state: 'well', reasons: [lost] }
}

function sum(windows) {
  const total = { calls: 0, ended: 0, lost: 0, retries: 0 }
  for (const { calls, succeeded, failed, retries } of windows) {
    total.calls += calls
    total.ended += succeeded + failed
    total.lost += failed
    total.retries += retries
  }
  return total
}

function lostSentence({ lost, ended }, window) {
  return `${count(lost, 'call')} of ${ended.toLocaleString('en')} failed in the last ${window}.`
}

function count(many, one, more = `${one}s`) {
  return `${many.toLocaleString('en')} ${many === 1 ? one : more}`
}

/** Without the account's 32 digits: the beginning shows which. */
function hostOf(endpoint) {
  return endpoint.replace(/^https?:\/\//, '').replace(/^([0-9a-f]{6})[0-9a-f]{26}\./, '$1….')
}

module.exports = { healthOf }
