'use strict'

const { AsyncResource } = require('node:async_hooks')
const { Events } = require('./events.js')
const { makeLog } = require('./log.js')
const { own } = require('../own-properties.js')
const { makeTelemetry } = require('./opentelemetry.js')

/** Where a storage reports to: listeners and channels, the log, OpenTelemetry. */
function makeObservability(options) {
  const { openTelemetry, ...logging } = own(options)
  const events = new Events()
  const log = makeLog(logging)
  const telemetry = makeTelemetry(openTelemetry)

  const breaker = ({ endpoint, state, previousState, retryAfterMs }) => {
    const event = { endpoint, state, previousState, ...(typeof retryAfterMs === 'number' && { retryAfterMs }) }
    log.breaker(event)
    telemetry.breaker(event)
    if (events.wants('breaker')) events.emit('breaker', event)
  }

  // A breaker belongs to no call: its events must not run in the context of the call that happened to come first.
  return { events, log, telemetry, breaker: AsyncResource.bind(breaker) }
}

module.exports = { makeObservability }
