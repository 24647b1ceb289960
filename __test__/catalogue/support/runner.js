'use strict'

// Runs one case through the public API, and holds what came of it against what was expected and against what has to
// hold after every case, whatever it was.

const assert = require('node:assert/strict')
const { readdirSync, readlinkSync } = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const { inspect } = require('node:util')
const { StorageError } = require('../../../index.js')
const { noise } = require('../../support/lab.js')
const { PATIENT_MS, RETRY } = require('./cases.js')

/** On a loaded machine. */
const SLACK_MS = 60_000
const PATIENCE_MS = 60_000

const bodies = new Map()
function bodyOf(size) {
  if (!bodies.has(size)) bodies.set(size, noise(size))
  return bodies.get(size)
}

/** Sockets, files and pipes that this process has open; not what is only memory. */
function descriptors() {
  const open = []
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      open.push(readlinkSync(`/proc/self/fd/${name}`))
    } catch {
      // The one that this list was read by.
    }
  }
  return open.filter((what) => !what.startsWith('anon_inode:') && !what.startsWith('/proc/'))
}

/** What keeps the event loop alive, by kind. */
function handles() {
  const counts = {}
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

async function until(what) {
  const end = Date.now() + PATIENCE_MS
  for (;;) {
    const problem = await what()
    if (!problem || Date.now() > end) return problem
    await sleep(10)
  }
}

/** The test server's control port, without connections that are kept. */
function control(lab, method, place, body) {
  return new Promise((resolve, reject) => {
    const request = http.request(`${lab.control}${place}`, { method, agent: false }, (response) => {
      let text = ''
      response
        .setEncoding('utf8')
        .on('data', (piece) => (text += piece))
        .on('end', () => {
          if (response.statusCode === 200) resolve(JSON.parse(text))
          else reject(new Error(`the test server responded ${response.statusCode}: ${text}`))
        })
    })
    request.on('error', reject).end(body && JSON.stringify(body))
  })
}

/** All that somebody could print. */
function everythingSaid(context, outcome) {
  const { storage, lines, events } = context
  const said = [
    inspect(outcome.value ?? outcome.error, { depth: null, showHidden: true }),
    JSON.stringify(outcome.value ?? outcome.error) ?? '',
    String(outcome.error?.stack),
    String(outcome.error?.message),
    String(outcome.error?.userMessage),
    inspect(lines, { depth: null }),
    inspect(events, { depth: null, showHidden: true }),
  ]
  if (storage) {
    said.push(inspect(storage, { depth: null, showHidden: true }), JSON.stringify(storage), storage.metricsText())
    said.push(JSON.stringify(storage.metrics()), JSON.stringify(storage.recentFailures()))
  }
  return said.join('\n')
}

const SECRETS = [/CANARY/, /Signature=/, /AWS4-HMAC-SHA256 Credential/]

/** The longest that the policy allows. */
function bound(retry) {
  let timeouts = 0
  for (let attempt = 0; attempt < retry.maxAttempts; attempt += 1)
    timeouts += retry.timeout * retry.timeoutGrowth ** attempt
  const waits = (retry.maxAttempts - 1) * retry.maxDelayMs
  return Math.min(timeouts + waits, retry.deadlineMs ?? Infinity) + SLACK_MS
}

/** One source of `downloadAndUpload`, which counts. */
async function openSource(handler) {
  const seen = []
  const server = http.createServer((request, response) => {
    seen.push({ method: request.method, url: request.url, headers: request.headers })
    handler(request, response, seen.length)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = () => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  }
  return { seen, close, url: `http://127.0.0.1:${server.address().port}/picture.bin?X-Amz-Signature=CANARY` }
}

let serial = 0

/** Runs a case. Gives what came of it, and what was wrong with that. */
async function runCase(row, test, lab) {
  serial += 1
  const context = {
    lab,
    test,
    key: `${row.id}/${serial}.bin`,
    lines: [],
    events: [],
    control: (...a) => control(lab, ...a),
  }
  const problems = []
  const check = (what, assertion) => {
    try {
      assertion()
    } catch (error) {
      problems.push(`${what}: ${error.message}`)
    }
  }
  const accidents = []
  const accident = (kind) => (error) => accidents.push(`${kind}: ${error?.stack ?? error}`)
  const listeners = ['unhandledRejection', 'uncaughtException', 'warning'].map((name) => [name, accident(name)])
  for (const [name, listener] of listeners) process.on(name, listener)

  context.body = test.body instanceof Buffer ? test.body : bodyOf(test.body ?? 4096)
  const cleanUps = []
  context.onEnd = (cleanUp) => cleanUps.unshift(cleanUp)
  let outcome
  try {
    // A request of the case before would be seen in this one.
    const busy = await until(async () => (await control(lab, 'GET', '/health')).underWay)
    if (busy) problems.push(`requests of the case before: ${busy}`)
    // Kept connections from before would meet a fault that is meant for this case, or hide one.
    await control(lab, 'PUT', '/faults', { faults: test.faults ?? [] })
    await control(lab, 'DELETE', '/events')
    if (test.source) {
      context.source = await openSource((...a) => test.source(...a, context))
      context.onEnd(context.source.close)
    }
    await test.setUp?.(context)
    const before = { descriptors: descriptors(), handles: handles() }
    const openParts = unfinished(lab)
    outcome = await perform(context)
    judge(context, outcome, check)
    try {
      await test.check?.(context, outcome, assert)
    } catch (error) {
      problems.push(`check: ${error.message}`)
    }
    context.storage?.close()
    for (const other of context.others ?? []) other.close()
    const left = await until(() => leftOpen(before))
    if (left) problems.push(`left open: ${left}`)
    await judgeRequests(context, check)
    const parts = await until(() =>
      unfinished(lab)
        .filter((name) => !openParts.includes(name))
        .join(', '),
    )
    if (parts) problems.push(`uploads in parts left at the server: ${parts}`)
    check('a secret was said', () => {
      const said = everythingSaid(context, outcome)
      for (const secret of SECRETS) {
        const at = said.search(secret)
        assert.ok(at < 0, `${secret} in … ${said.slice(Math.max(0, at - 80), at + 40)} …`)
      }
    })
  } catch (error) {
    problems.push(`the case broke: ${error.stack}`)
    context.storage?.close()
  }
  for (const cleanUp of cleanUps) {
    try {
      await cleanUp()
    } catch (error) {
      problems.push(`cleaning up: ${error.message}`)
    }
  }
  // A rejection without a handler is reported after the microtasks.
  await sleep(0)
  for (const [name, listener] of listeners) process.off(name, listener)
  const allowed = test.expect?.warnings ?? /^$/
  problems.push(...accidents.filter((text) => !allowed.test(text)))
  return { name: test.name ?? '', outcome: summary(outcome), problems }
}

function leftOpen(before) {
  const surplus = descriptors().filter((what) => !before.descriptors.includes(what))
  const grown = Object.entries(handles()).filter(
    ([kind, count]) => count > (before.handles[kind] ?? 0) && kind !== 'Timeout',
  )
  // The timer of the waiting itself is one.
  const timers = (handles().Timeout ?? 0) - (before.handles.Timeout ?? 0)
  if (timers > 1) grown.push(['Timeout', timers])
  if (surplus.length > 0) return `descriptors: ${surplus.join(', ')}`
  return grown.length > 0 ? inspect(grown) : ''
}

function unfinished(lab) {
  return readdirSync(lab.folder).filter((name) => /^\.upload-.*\.json$/.test(name))
}

async function perform(context) {
  const { lab, test, lines, events } = context
  const logger = {}
  for (const level of ['debug', 'info', 'warn', 'error']) logger[level] = (line) => lines.push(line)
  const given = typeof test.storage === 'function' ? test.storage(context) : test.storage
  const settings = {
    retry: RETRY,
    connectTimeoutMs: PATIENT_MS,
    stallTimeoutMs: PATIENT_MS,
    multipartThresholdBytes: 5 * 1024 * 1024,
    partSizeBytes: 5 * 1024 * 1024,
    logger,
    logLevel: 'debug',
    ...(test.source && { allowedHosts: ['127.0.0.1'] }),
    ...given,
  }
  context.retry = { ...RETRY, ...settings.retry, ...test.options?.retry }
  const began = performance.now()
  let value, error
  try {
    const storage = test.tls ? lab.overTls(settings) : lab.storage(settings)
    context.storage = storage
    for (const name of ['attempt', 'retry', 'success', 'failure', 'breaker', 'failover']) {
      storage.on(name, (event) => events.push({ name, ...event }))
    }
    const options = {
      key: context.key,
      onRetry: test.onRetry && ((event) => test.onRetry(event, context)),
      ...test.options,
    }
    if (typeof test.call === 'function') value = await test.call(context, options)
    else if (test.call === 'head') value = await storage.head({ key: context.key })
    else if (test.source || test.call === 'downloadAndUpload') {
      value = await storage.downloadAndUpload({ url: context.source?.url, ...options })
    } else value = await storage.uploadFile({ body: context.body, ...options })
  } catch (thrown) {
    error = thrown
  }
  return { value, error, elapsedMs: performance.now() - began }
}

function judge(context, outcome, check) {
  const { lab, test } = context
  const { value, error, elapsedMs } = outcome
  const expect = test.expect
  if (expect.ok) {
    check('it failed', () => assert.ifError(error))
    if (error) return
  } else if (expect.code || expect.reason) {
    check('it succeeded', () => assert.ok(error, inspect(value)))
    if (!error) return
    if (expect.reason) check('reason', () => assert.equal(error, context.reason))
    else check('no StorageError', () => assert.ok(error instanceof StorageError, inspect(error)))
    const codes = [expect.code].flat()
    if (expect.code)
      check('code', () => assert.ok(codes.includes(error.code), `${error.code} instead of ${codes}: ${error.message}`))
    for (const name of ['category', 'retryable', 'status', 'option', 'retryAfterMs']) {
      if (name in expect) check(name, () => assert.equal(error[name], expect[name]))
    }
    if (expect.message) check('message', () => assert.match(error.message, expect.message))
    if (error.category === 'timeout') check('message', () => assert.match(error.message, /timeout/))
    if (error.category === 'network')
      check('message', () => assert.ok(error.message.includes(error.code), error.message))
  }
  if (expect.attempts !== undefined) {
    const attempts = (value ?? error)?.attempts
    const [low, high] = [expect.attempts].flat()
    check('attempts', () =>
      assert.ok(attempts >= low && attempts <= (high ?? low), `${attempts} instead of ${expect.attempts}`),
    )
  }
  if (expect.sourceRequests !== undefined) {
    const [low, high] = [expect.sourceRequests].flat()
    const count = context.source.seen.length
    check('requests to the source', () =>
      assert.ok(count >= low && count <= (high ?? low), `${count} instead of ${expect.sourceRequests}`),
    )
  }
  const stored = lab.stored(context.key)
  const kept = expect.stored ?? (expect.ok ? 'body' : 'nothing')
  if (kept === 'body' && !test.either)
    check('stored', () =>
      assert.ok(stored?.equals(context.body), `${stored?.length} bytes instead of ${context.body.length}`),
    )
  if (test.either)
    check('stored', () =>
      assert.ok(value ? stored?.equals(context.body) : stored === undefined, 'neither whole nor nothing'),
    )
  else if (kept === 'nothing') check('stored', () => assert.equal(stored, undefined))
  const [atLeast, atMost] = expect.withinMs ?? [0, expect.attempts === 0 ? SLACK_MS : bound(context.retry)]
  check('time', () =>
    assert.ok(elapsedMs >= atLeast && elapsedMs <= atMost, `${Math.round(elapsedMs)} ms, not in ${[atLeast, atMost]}`),
  )
}

/** After the end, so that a request too many is seen, too. */
async function judgeRequests({ lab, test, key, body }, check) {
  const expect = test.expect
  const simple = !test.call && !test.source && !test.storage?.endpoint && typeof test.storage !== 'function'
  const wanted = expect.requests ?? (simple && body.length <= 5 * 1024 * 1024 ? expect.attempts : undefined)
  if (typeof wanted !== 'number') return
  const seen = (await control(lab, 'GET', '/events')).events
  const own = seen.filter((event) => event.request !== null && event.key === key)
  // After the last attempt of an upload, a HEAD or three ask what came of it: docs/adr/0012.
  const looks = test.call ? [] : own.filter(({ method }) => method === 'HEAD')
  const attempts = own.filter((event) => !looks.includes(event))
  check('requests that the server saw', () =>
    assert.equal(attempts.length, wanted, own.map((event) => event.action).join()),
  )
  check('looks at what is stored', () => assert.ok(looks.length <= 3, `${looks.length}`))
}

function summary(outcome) {
  if (!outcome) return { text: 'broke' }
  const { value, error, elapsedMs } = outcome
  const attempts = (value ?? error)?.attempts
  return {
    stored: !error,
    code: error ? (error.code ?? error.name) : undefined,
    attempts,
    elapsedMs: Math.round(elapsedMs),
  }
}

module.exports = { control, runCase, sleep, path }
