'use strict'

// Spans and measurements for OpenTelemetry, where the app has installed its API and registered an SDK. Names follow the
// semantic conventions 1.45 (RPC clients, AWS S3, errors); what they have no name for begins with `reliable_r2.`.

const { VERSION } = require('../native/index.js')
const { StorageError } = require('../errors.js')
const { isError } = require('../is-error.js')

const SCOPE = 'reliable-r2'
/** The bounds that the conventions advise, and what uploads with their waits need above them. In seconds. */
const DURATION_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 120, 300]

/** Of a call that nobody traces. */
const UNTRACED = Object.freeze({ within: (run) => run(), retry() {}, failover() {}, succeeded() {}, failed() {} })
const OFF = Object.freeze({ begin: () => UNTRACED, breaker() {}, at() {} })

/** What a storage reports OpenTelemetry. */
function makeTelemetry(wanted = true) {
  const api = wanted ? loadApi() : undefined
  return api ? new Telemetry(api) : OFF
}

function loadApi() {
  try {
    // A literal require: Next.js copies to a standalone build only what it can read here.
    return require('@opentelemetry/api')
  } catch {
    return undefined
  }
}

class Telemetry {
  #api
  #server = {}
  #bucket
  /** The provider that the instruments are of: an SDK may be registered at any time. */
  #meterProvider
  #instruments

  constructor(api) {
    this.#api = api
  }

  /** Where the storage sends to, once it is known. */
  at({ endpoint, bucket }) {
    this.#server = serverOf(endpoint)
    this.#bucket = bucket
  }

  /** No SDK must harm a call: what one throws is its own affair. */
  begin(call) {
    try {
      return this.#begin(call) ?? UNTRACED
    } catch {
      return UNTRACED
    }
  }

  breaker({ endpoint, state }) {
    try {
      this.#meters()?.transitions.add(1, { ...serverOf(endpoint), 'reliable_r2.breaker.state': state })
    } catch {
      // See begin.
    }
  }

  #begin({ operation, key, bucket = this.#bucket }) {
    const tracer = this.#tracer()
    const meters = this.#meters()
    if (!tracer && !meters) return undefined
    const { context, trace, SpanKind } = this.#api
    const common = { 'rpc.system.name': 'aws-api', 'rpc.method': `Storage/${operation}`, ...this.#server }
    const parent = context.active()
    const attributes = { ...common, 'aws.s3.bucket': bucket, 'aws.s3.key': key }
    const span = tracer?.startSpan(
      `Storage.${operation}`,
      { kind: SpanKind.CLIENT, attributes: present(attributes) },
      parent,
    )
    const here = span ? trace.setSpan(parent, span) : parent
    return new Traced(this.#api, { span, here, meters, common })
  }

  /** The SDK's; undefined where none is registered. */
  #tracer() {
    const provider = this.#api.trace.getTracerProvider()
    return provider.getDelegateTracer ? provider.getDelegateTracer(SCOPE, VERSION) : provider.getTracer(SCOPE, VERSION)
  }

  #meters() {
    const provider = this.#api.metrics.getMeterProvider()
    if (provider !== this.#meterProvider) {
      const meter = provider.getMeter(SCOPE, VERSION)
      this.#instruments = meter === this.#api.createNoopMeter() ? undefined : makeInstruments(meter)
      this.#meterProvider = provider
    }
    return this.#instruments
  }
}

/** One call, as a span and as measurements. */
class Traced {
  #api
  #span
  #here
  #meters
  #common
  #started = performance.now()
  #retries = 0

  constructor(api, { span, here, meters, common }) {
    this.#api = api
    this.#span = span
    this.#here = here
    this.#meters = meters
    this.#common = common
  }

  /** What `run` does belongs to this call's span. */
  within = (run) => this.#api.context.with(this.#here, run)

  retry({ attempt, maxAttempts, delayMs, code, status }) {
    this.#safely(() => {
      this.#retries += 1
      const failure = present({ 'error.type': code, 'http.response.status_code': status })
      const facts = { attempt, max_attempts: maxAttempts, delay: delayMs / 1000 }
      this.#span?.addEvent('retry', { ...failure, ...prefixed(facts) })
      this.#meters?.retries.add(1, { ...this.#common, 'error.type': code })
    })
  }

  failover({ endpoint, code }) {
    this.#safely(() => {
      const server = serverOf(endpoint)
      this.#span?.addEvent('failover', { ...server, 'error.type': code })
      this.#span?.setAttributes(server)
      Object.assign(this.#common, server)
      this.#meters?.failovers.add(1, { ...this.#common, 'error.type': code })
    })
  }

  succeeded({ endpoint, bucket, requestId, size, parts }) {
    this.#safely(() => {
      Object.assign(this.#common, serverOf(endpoint))
      const facts = {
        'aws.s3.bucket': bucket,
        'aws.request_id': requestId,
        ...prefixed({ 'object.size': size, parts }),
      }
      if (parts) this.#meters?.stored.add(size, this.#common)
      this.#end({ ...serverOf(endpoint), ...facts })
    })
  }

  failed(error) {
    this.#safely(() => {
      const { code, status, requestId, message } = error instanceof StorageError ? error : aborted(error)
      this.#span?.setStatus({ code: this.#api.SpanStatusCode.ERROR, message })
      this.#common['error.type'] = code
      this.#end({ 'error.type': code, 'http.response.status_code': status, 'aws.request_id': requestId })
    })
  }

  #end(facts) {
    const resent = this.#retries > 0 ? { 'http.request.resend_count': this.#retries } : {}
    this.#span?.setAttributes(present({ ...facts, ...resent }))
    this.#span?.end()
    // In its context, so that the SDK can keep the span as an example of the measurement.
    this.#meters?.duration.record((performance.now() - this.#started) / 1000, this.#common, this.#here)
  }

  #safely(report) {
    try {
      report()
    } catch {
      // See Telemetry.begin.
    }
  }
}

function makeInstruments(meter) {
  return {
    duration: meter.createHistogram('rpc.client.call.duration', {
      description: 'Duration of calls to the storage, waits and retries included.',
      unit: 's',
      advice: { explicitBucketBoundaries: DURATION_BOUNDS },
    }),
    retries: meter.createCounter('reliable_r2.retries', {
      description: 'Attempts that failed and were followed by another.',
      unit: '{retry}',
    }),
    failovers: meter.createCounter('reliable_r2.failovers', {
      description: 'Calls that continued at another endpoint.',
      unit: '{failover}',
    }),
    transitions: meter.createCounter('reliable_r2.breaker.transitions', {
      description: 'State changes of circuit breakers, by the new state.',
      unit: '{transition}',
    }),
    stored: meter.createCounter('reliable_r2.stored', {
      description: 'Bytes of the objects that were stored.',
      unit: 'By',
    }),
  }
}

/** The reason of the caller's signal. Its message is the caller's own and may hold anything. */
function aborted(reason) {
  const name = isError(reason) || reason instanceof DOMException ? reason.name : undefined
  return { code: typeof name === 'string' && name ? name : '_OTHER', message: 'aborted' }
}

function serverOf(endpoint) {
  if (!URL.canParse(endpoint)) return {}
  const { hostname, port, protocol } = new URL(endpoint)
  return { 'server.address': hostname, 'server.port': Number(port || (protocol === 'http:' ? 80 : 443)) }
}

function prefixed(facts) {
  return present(Object.fromEntries(Object.entries(facts).map(([name, value]) => [`reliable_r2.${name}`, value])))
}

function present(facts) {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined))
}

module.exports = { makeTelemetry }
