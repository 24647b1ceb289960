'use strict'

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } = require('node:fs')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { after, afterEach, before, beforeEach, describe, test } = require('node:test')
const { ROOT_CONTEXT, SpanKind, SpanStatusCode, context, metrics, trace } = require('@opentelemetry/api')
const { AsyncLocalStorageContextManager } = require('@opentelemetry/context-async-hooks')
const {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} = require('@opentelemetry/sdk-metrics')
const { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base')
const api = require('../../index.js')
const { makeTelemetry } = require('../../lib/observability/opentelemetry.js')
const { startServer } = require('./support/server.js')

const root = path.join(__dirname, '..', '..')
const quick = { maxAttempts: 3, initialDelayMs: 5, maxDelayMs: 10, timeout: 2000 }

describe('OpenTelemetry', () => {
  let server
  let storage
  let port
  const spans = new InMemorySpanExporter()
  const measured = new InMemoryMetricExporter(AggregationTemporality.DELTA)
  const reader = new PeriodicExportingMetricReader({ exporter: measured, exportIntervalMillis: 2 ** 30 })

  before(async () => {
    server = await startServer()
    port = Number(new URL(server.endpoint).port)
    // Made before there is an SDK: an app may register its own at any time.
    storage = api.newStorage({ ...server.config, retry: quick })
    await storage.uploadFile({ key: 'early', body: 'x' })
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }))
    metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
  })
  after(async () => {
    storage.close()
    for (const part of [trace, metrics, context]) part.disable()
    await reader.shutdown()
    await server.close()
  })
  beforeEach(() => spans.reset())
  afterEach(() => measured.reset())

  /** Since the last time, by the name of the instrument. */
  async function measurements() {
    await reader.forceFlush()
    const all = measured
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics)
      .flatMap((scope) => scope.metrics)
    measured.reset()
    return Object.fromEntries(
      all.map(({ descriptor, dataPoints }) => [descriptor.name, { unit: descriptor.unit, dataPoints }]),
    )
  }

  test('a call is one client span with the names of the conventions', async () => {
    await storage.uploadFile({ key: 'a/b.txt', body: 'hello' })
    const [span, ...others] = spans.getFinishedSpans()
    assert.deepEqual(others, [])
    assert.deepEqual(
      [span.name, span.kind, span.status.code],
      ['Storage.uploadFile', SpanKind.CLIENT, SpanStatusCode.UNSET],
    )
    assert.deepEqual(span.attributes, {
      'rpc.system.name': 'aws-api',
      'rpc.method': 'Storage/uploadFile',
      'server.address': '127.0.0.1',
      'server.port': port,
      'aws.s3.bucket': 'pictures',
      'aws.s3.key': 'a/b.txt',
      'reliable_r2.object.size': 5,
      'reliable_r2.parts': 1,
    })
    assert.deepEqual(span.events, [])
    assert.deepEqual([span.instrumentationScope.name, span.instrumentationScope.version], ['reliable-r2', api.VERSION])
  })

  test('retries are events, and counted', async () => {
    await measurements()
    server.respond('reset', 503)
    await storage.uploadFile({ key: 'k', body: 'x' })
    const [span] = spans.getFinishedSpans()
    assert.equal(span.attributes['http.request.resend_count'], 2)
    assert.equal(span.attributes['error.type'], undefined)
    assert.equal(span.status.code, SpanStatusCode.UNSET)
    const [first, second] = span.events
    assert.deepEqual(
      [first.name, first.attributes['error.type'], first.attributes['reliable_r2.attempt']],
      ['retry', 'ECONNRESET', 1],
    )
    assert.deepEqual(
      [second.attributes['http.response.status_code'], second.attributes['reliable_r2.max_attempts']],
      [503, 3],
    )
    assert.ok(second.attributes['reliable_r2.delay'] < 1)

    const {
      'reliable_r2.retries': retries,
      'reliable_r2.stored': stored,
      'rpc.client.call.duration': duration,
    } = await measurements()
    assert.equal(retries.unit, '{retry}')
    assert.deepEqual(
      retries.dataPoints.map(({ value, attributes }) => [value, attributes['error.type'], attributes['rpc.method']]),
      [
        [1, 'ECONNRESET', 'Storage/uploadFile'],
        [1, second.attributes['error.type'], 'Storage/uploadFile'],
      ],
    )
    assert.deepEqual([stored.unit, stored.dataPoints[0].value], ['By', 1])
    assert.equal(duration.unit, 's')
    const [{ attributes, value }] = duration.dataPoints
    assert.deepEqual(attributes, {
      'rpc.system.name': 'aws-api',
      'rpc.method': 'Storage/uploadFile',
      'server.address': '127.0.0.1',
      'server.port': port,
    })
    assert.deepEqual([value.count, value.buckets.boundaries.at(-1)], [1, 300])
    const [seconds, nanoseconds] = span.duration
    assert.ok(Math.abs(value.sum - (seconds + nanoseconds / 1e9)) < 0.1)
  })

  test('a failed call is a span in error, and so is its measurement', async () => {
    await measurements()
    server.respond(403)
    const error = await storage.uploadFile({ key: 'k', bucket: 'other', body: 'x' }).then(assert.fail, (e) => e)
    const [{ status, attributes }] = spans.getFinishedSpans()
    assert.deepEqual(status, { code: SpanStatusCode.ERROR, message: error.message })
    assert.deepEqual(
      [attributes['error.type'], attributes['http.response.status_code'], attributes['aws.s3.bucket']],
      [error.code, 403, 'other'],
    )
    const { 'rpc.client.call.duration': duration } = await measurements()
    assert.equal(duration.dataPoints[0].attributes['error.type'], error.code)
  })

  test('a call that was aborted says why by the name of the reason alone', async () => {
    for (const [reason, type] of [
      [new DOMException('CANARY', 'TimeoutError'), 'TimeoutError'],
      [new RangeError('CANARY'), 'RangeError'],
      ['CANARY', '_OTHER'],
      [null, '_OTHER'],
    ]) {
      spans.reset()
      const controller = new AbortController()
      const call = storage.uploadFile({ key: 'k', body: 'x', signal: controller.signal })
      controller.abort(reason)
      await call.then(assert.fail, () => {})
      const [span] = spans.getFinishedSpans()
      assert.deepEqual([span.status.code, span.attributes['error.type']], [SpanStatusCode.ERROR, type])
      assert.ok(!JSON.stringify([span.status, span.attributes]).includes('CANARY'))
    }
  })

  test("the caller's span is the parent; callbacks run in ours", async () => {
    // Of its own: a request that was aborted may still arrive at the other, and take the response.
    const server = await startServer()
    const storage = api.newStorage({ ...server.config, retry: quick })
    const tracer = trace.getTracer('app')
    const inside = []
    await Promise.all(
      ['one', 'two'].map((key) =>
        tracer.startActiveSpan(key, async (parent) => {
          // Not a reset: on a connection that was kept, that is no failed attempt.
          server.respond(503)
          await storage.uploadFile({
            key,
            body: 'x',
            onRetry: () => inside.push([key, trace.getActiveSpan().spanContext().spanId]),
          })
          assert.equal(trace.getActiveSpan(), parent)
          parent.end()
        }),
      ),
    )
    const finished = spans.getFinishedSpans()
    for (const key of ['one', 'two']) {
      const parent = finished.find(({ name }) => name === key).spanContext()
      const ours = finished.find(({ attributes }) => attributes['aws.s3.key'] === key)
      assert.equal(ours.parentSpanContext.spanId, parent.spanId)
      assert.equal(ours.spanContext().traceId, parent.traceId)
      for (const [of, spanId] of inside) if (of === key) assert.equal(spanId, ours.spanContext().spanId)
    }
    assert.ok(inside.length > 0)
    await context.with(ROOT_CONTEXT, () => storage.uploadFile({ key: 'root', body: 'x' }))
    assert.equal(spans.getFinishedSpans().at(-1).parentSpanContext, undefined)
    storage.close()
    await server.close()
  })

  test('failovers and breakers', async () => {
    await measurements()
    const telemetry = makeTelemetry()
    telemetry.at({ endpoint: 'https://primary.example/bucket', bucket: 'pictures' })
    const call = telemetry.begin({ operation: 'uploadFile', key: 'k' })
    call.failover({ endpoint: 'https://other.example:8443', code: 'ECONNRESET' })
    call.succeeded({ bucket: 'copies', size: 3, parts: 1, requestId: 'r1' })
    telemetry.breaker({ endpoint: 'https://primary.example', state: 'open', previousState: 'closed' })
    const [{ events, attributes }] = spans.getFinishedSpans()
    const other = { 'server.address': 'other.example', 'server.port': 8443 }
    assert.deepEqual(
      events.map(({ name, attributes }) => [name, attributes]),
      [['failover', { ...other, 'error.type': 'ECONNRESET' }]],
    )
    assert.deepEqual(
      [attributes['server.address'], attributes['aws.s3.bucket'], attributes['aws.request_id']],
      ['other.example', 'copies', 'r1'],
    )
    const { 'reliable_r2.failovers': failovers, 'reliable_r2.breaker.transitions': transitions } = await measurements()
    assert.deepEqual(
      [failovers.unit, failovers.dataPoints[0].value, failovers.dataPoints[0].attributes['server.port']],
      ['{failover}', 1, 8443],
    )
    assert.deepEqual(transitions.dataPoints[0].attributes, {
      'server.address': 'primary.example',
      'server.port': 443,
      'reliable_r2.breaker.state': 'open',
    })
  })

  test('no secret and no query of a URL', async () => {
    await measurements()
    const outgoing = api.newStorage({ ...server.config, retry: quick, allowPrivateNetworks: true })
    server.respond('reset', 500, 'reset')
    await outgoing
      .downloadAndUpload({ url: `${server.endpoint}/a?X-Amz-Signature=CANARYQUERY`, key: 'k' })
      .then(assert.fail, () => {})
    outgoing.close()
    const [span] = spans.getFinishedSpans()
    const said = JSON.stringify([span.attributes, span.status, span.events, await measurements()])
    assert.ok(span.events.length > 0)
    assert.ok(!/CANARY|Signature/i.test(said), said)
  })

  test('it can be switched off', async () => {
    await measurements()
    const silent = api.newStorage({ ...server.config, openTelemetry: false })
    await silent.uploadFile({ key: 'k', body: 'x' })
    silent.close()
    assert.equal(spans.getFinishedSpans().length, 0)
    assert.deepEqual(await measurements(), {})
  })

  test('an SDK that throws harms no call', async (t) => {
    const odd = () => {
      throw new Error('SDK')
    }
    const provider = trace.getTracerProvider().getDelegate()
    for (const mock of [
      () => t.mock.method(provider, 'getTracer', odd),
      () => t.mock.method(provider, 'getTracer', () => ({ startSpan: odd })),
      () =>
        t.mock.method(provider, 'getTracer', () => ({
          startSpan: () => ({ setAttributes: odd, addEvent: odd, setStatus: odd, end: odd }),
        })),
    ]) {
      const { mock: mocked } = mock()
      server.respond('reset')
      const { attempts } = await storage.uploadFile({ key: 'k', body: 'x' })
      assert.equal(attempts, 2)
      server.respond(403)
      await assert.rejects(storage.uploadFile({ key: 'k', body: 'x' }), api.AuthError)
      mocked.restore()
    }
  })
})

test('no SDK, no span: a call costs a look at the API', () => {
  const telemetry = makeTelemetry()
  const untraced = telemetry.begin({ operation: 'uploadFile', key: 'k' })
  assert.equal(untraced, makeTelemetry(false).begin({ operation: 'head', key: 'k' }))
  assert.equal(
    untraced.within(() => 42),
    42,
  )
})

test('the package works where the API is not installed', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-without-'))
  try {
    const place = path.join(folder, 'node_modules', 'reliable-r2')
    const { files } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
    const names = [
      ...files.filter((name) => !name.includes('*')),
      'lib',
      'package.json',
      ...readdirSync(root).filter((name) => name.endsWith('.node')),
    ]
    for (const name of names) cpSync(path.join(root, name), path.join(place, name), { recursive: true })
    const program = `
      try { require.resolve('@opentelemetry/api'); process.exit(3) } catch {}
      const { newStorage } = require('reliable-r2')
      const storage = newStorage({ endpoint: 'http://127.0.0.1:9', accessKey: 'a', secretKey: 'b', bucket: 'pictures', logger: false, retry: { maxAttempts: 1 } })
      storage.on('failure', ({ code }) => console.log(code))
      storage.uploadFile({ key: 'k', body: 'x' }).catch(() => {})`
    const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', program], { cwd: folder, encoding: 'utf8' })
    assert.deepEqual([stderr, status, stdout.trim()], ['', 0, 'ECONNREFUSED'])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
