'use strict'

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const { join } = require('node:path')
const { Writable } = require('node:stream')
const { after, before, describe, test } = require('node:test')
const pino = require('pino')
const api = require('../../index.js')
const { makeLog } = require('../../lib/observability/log.js')
const { startServer } = require('./support/server.js')

const quick = { maxAttempts: 3, initialDelayMs: 5, maxDelayMs: 10, timeout: 2000 }

/** Keeps what is said. */
function listening(...levels) {
  const received = []
  const logger = Object.fromEntries(levels.map((level) => [level, (...args) => received.push([level, ...args])]))
  return { received, logger }
}

function inProduction(t) {
  const { NODE_ENV } = process.env
  t.after(() => (NODE_ENV === undefined ? delete process.env.NODE_ENV : (process.env.NODE_ENV = NODE_ENV)))
  process.env.NODE_ENV = 'production'
}

describe('logs', () => {
  let server
  before(async () => {
    server = await startServer()
  })
  after(() => server.close())

  /** One upload that succeeds by its second attempt, one that fails. */
  async function twoUploads(options) {
    const storage = api.newStorage({ ...server.config, retry: quick, ...options })
    server.respond('reset', 200, 403)
    await storage.uploadFile({ key: 'k', body: 'x' }).catch(() => {})
    await storage.uploadFile({ key: 'lost', body: 'x' }).then(assert.fail, () => {})
    storage.close()
  }

  function consoleOf(t) {
    const received = []
    for (const level of ['debug', 'info', 'warn', 'error'])
      t.mock.method(console, level, (line) => received.push([level, line]))
    return received
  }

  test('levels', async () => {
    const said = async (logLevel) => {
      const { received, logger } = listening('debug', 'info', 'warn', 'error')
      await twoUploads({ logger, logLevel })
      return received.map(([level, line]) => `${level} ${line.slice(0, line.indexOf(' ', 12))}`)
    }
    const all = ['warn [Storage] Upload', 'debug [Storage] Upload', 'error [Critical] Failed']
    const without = (...levels) => all.filter((line) => !levels.some((level) => line.startsWith(level)))
    assert.deepEqual(await said('debug'), all)
    assert.deepEqual(await said('info'), without('debug'))
    assert.deepEqual(await said(undefined), without('debug'))
    assert.deepEqual(await said('warn'), without('debug'))
    assert.deepEqual(await said('error'), without('debug', 'warn'))
    assert.deepEqual(await said('silent'), [])
  })

  test('the console is silent in production but for what is lost, unless it is asked', async (t) => {
    inProduction(t)
    const received = consoleOf(t)
    const said = async (options) => {
      received.length = 0
      await twoUploads({ logger: undefined, ...options })
      return received.map(([level, line]) => [level, line.replace(/\d+ ms/g, 'N ms')])
    }
    const critical = ['error', '[Critical] Failed to upload "lost" after 1 attempt in N ms: HTTP_403']
    const retry = ['warn', '[Storage] Upload retry 1/3 in N ms: ECONNRESET']
    assert.deepEqual(await said(), [critical])
    assert.deepEqual(await said({ logLevel: 'warn' }), [retry, critical])
    assert.deepEqual(await said({ logLevel: 'silent' }), [])
    const [[, debugged]] = await said({ logLevel: 'debug' })
    assert.match(debugged, /^\[Storage\] Upload retry 1\/3 in N ms: ECONNRESET \(key "k", host .*\): \S/)
    assert.deepEqual(await said({ logLevel: undefined, logger: false }), [])
  })

  test('in JSON, one object a line, on the same streams', async (t) => {
    const received = consoleOf(t)
    await twoUploads({ logger: undefined, logFormat: 'json', logLevel: 'debug' })
    assert.ok(received.every(([, line]) => !line.includes('\n')))
    const lines = received.map(([level, line]) => [level, JSON.parse(line)])
    for (const [level, { level: said, time }] of lines) {
      assert.equal(said, level)
      assert.equal(new Date(time).toISOString(), time)
    }
    const [[, retry], [, success], [, failure]] = lines
    assert.match(retry.msg, /^\[Storage\] Upload retry 1\/3 in \d+ ms: ECONNRESET$/)
    const { event, operation, key, attempt, maxAttempts, code, category, reason } = retry
    assert.deepEqual(
      [event, operation, key, attempt, maxAttempts, code, category],
      ['retry', 'uploadFile', 'k', 1, 3, 'ECONNRESET', 'network'],
    )
    assert.ok(reason)
    assert.match(success.msg, /^\[Storage\] Upload succeeded for "k" after 2 attempts in \d+ ms$/)
    assert.deepEqual([success.event, success.attempts, success.size], ['success', 2, 1])
    assert.match(failure.msg, /^\[Critical\] Failed to upload "lost" after 1 attempt in \d+ ms: \w+$/)
    assert.deepEqual(
      [failure.event, failure.key, failure.status, failure.err.name],
      ['failure', 'lost', 403, 'AuthError'],
    )
  })

  test('pino gets fields and a message, at its own level, with its own bindings', async () => {
    const lines = []
    const stream = new Writable({ write: (chunk, _, done) => done(void lines.push(JSON.parse(chunk))) })
    const logger = pino({ level: 'info' }, stream).child({ request: 7 })
    await twoUploads({ logger, logLevel: 'debug' })
    const [retry, failure, ...more] = lines
    assert.deepEqual(more, [])
    assert.match(retry.msg, /^\[Storage\] Upload retry 1\/3 in \d+ ms: ECONNRESET$/)
    assert.deepEqual(
      [retry.level, retry.request, retry.event, retry.key, retry.code],
      [40, 7, 'retry', 'k', 'ECONNRESET'],
    )
    assert.match(failure.msg, /^\[Critical\] Failed to upload "lost"/)
    assert.deepEqual(
      [failure.level, failure.event, failure.err.type, failure.err.status],
      [50, 'failure', 'AuthError', 403],
    )
    assert.match(failure.err.stack, /log\.test\.js/)
  })

  test('who takes fields is known by child with bindings or fields; others take a line', async () => {
    const took = async (more) => {
      const { received, logger } = listening('warn')
      await twoUploads({ logger: Object.defineProperties(logger, Object.getOwnPropertyDescriptors(more)) })
      return received[0].slice(1).map((argument) => typeof argument)
    }
    const child = () => {}
    assert.deepEqual(await took({ child, bindings: () => ({}) }), ['object', 'string'], 'pino')
    assert.deepEqual(await took({ child, fields: {} }), ['object', 'string'], 'bunyan')
    assert.deepEqual(await took({ child }), ['string'], 'winston')
    assert.deepEqual(await took({ bindings: () => ({}) }), ['string'])
    assert.deepEqual(
      await took({
        get child() {
          throw new Error('no')
        },
      }),
      ['string'],
    )
    assert.deepEqual(await took({}), ['string'])
  })

  test('a logger that throws, now or later, costs a warning, once, and nothing else', async () => {
    for (const fail of [
      () => {
        throw new Error('mine')
      },
      async () => {
        throw new Error('mine')
      },
    ]) {
      const warnings = []
      const listen = ({ message }) => warnings.push(message)
      process.on('warning', listen)
      await twoUploads({ logger: { warn: fail, error: fail } })
      await new Promise((resolve) => setImmediate(resolve))
      process.off('warning', listen)
      assert.deepEqual(
        warnings.map((text) => /^the logger threw; the call continues\. Error: mine/.test(text)),
        [true],
      )
    }
  })

  test('a response that was asked for is no failure', async () => {
    const { received, logger } = listening('error')
    const storage = api.newStorage({ ...server.config, retry: quick, logger })
    server.respond(412)
    await assert.rejects(storage.uploadFile({ key: 'k', body: 'x', ifNoneMatch: '*' }), { status: 412 })
    assert.deepEqual([received, storage.recentFailures()], [[], []])
    storage.close()
  })

  test('no secret and no query of a URL, in any format', async (t) => {
    const received = consoleOf(t)
    const lines = []
    const stream = new Writable({ write: (chunk, _, done) => done(void lines.push(String(chunk))) })
    const url = `${server.endpoint}/source.png?X-Amz-Signature=CANARYQUERY`
    const forms = [{ logFormat: 'json' }, { logFormat: 'pretty' }, { logger: pino({ level: 'trace' }, stream) }]
    for (const form of forms) {
      const storage = api.newStorage({
        ...server.config,
        logger: undefined,
        retry: quick,
        logLevel: 'debug',
        allowPrivateNetworks: true,
        ...form,
      })
      server.respond('reset', 500, 'reset')
      await storage.downloadAndUpload({ url, key: 'k' }).then(assert.fail, () => {})
      server.respond('reset', 403)
      await storage.uploadFile({ body: 'x', key: 'k' }).then(assert.fail, () => {})
      storage.close()
    }
    const everything = [...received.flat(), ...lines].join('\n')
    assert.ok(lines.length >= 4 && received.length >= 8, `${lines.length} ${received.length}`)
    assert.ok(!everything.includes('CANARY'), everything)
    assert.ok(!/Signature|X-Amz/i.test(everything), everything)
  })

  test('wrong levels and formats are refused', () => {
    const refused = (config, option, message) =>
      assert.throws(() => api.newStorage(config), { name: 'InputError', option, message })
    refused({ logLevel: 'warning' }, 'logLevel', /did you mean 'warn'\?/)
    refused({ logLevel: 3 }, 'logLevel', /must be one of 'debug', 'info', 'warn', 'error', 'silent'/)
    refused({ logFormat: 'JSON' }, 'logFormat', /did you mean 'json'\?/)
    refused({ logFormat: 'json', logger: console }, 'logFormat', /a logger has a format of its own/)
    refused({ openTelemetry: 'yes' }, 'openTelemetry', /true or false/)
    api.newStorage({ logFormat: 'json', logger: false }).close()
  })

  test('a program whose storage is silent writes nothing', () => {
    const program = `const { newStorage } = require(${JSON.stringify(join(__dirname, '..', '..'))});
      newStorage({ endpoint: 'http://127.0.0.1:9', accessKey: 'a', secretKey: 'b', bucket: 'pictures', logLevel: 'silent', retry: { maxAttempts: 2, initialDelayMs: 1, maxDelayMs: 1 } })
        .uploadFile({ key: 'k', body: 'x' }).catch(() => {})`
    const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', program], {
      encoding: 'utf8',
      env: { ...process.env, NODE_ENV: '' },
    })
    assert.deepEqual([stdout, stderr, status], ['', '', 0])
  })
})

test('failovers are logged', () => {
  const { received, logger } = listening('warn')
  const log = makeLog({ logger })
  log.failover({
    operation: 'uploadFile',
    key: 'k',
    endpoint: 'https://other.example',
    code: 'ECONNRESET',
    elapsedMs: 3,
  })
  log.failover({
    operation: 'list',
    key: undefined,
    endpoint: 'https://other.example',
    code: 'ETIMEDOUT',
    elapsedMs: 3,
  })
  assert.deepEqual(received, [
    ['warn', '[Storage] Upload fails over to https://other.example after ECONNRESET (key "k")'],
    ['warn', '[Storage] list fails over to https://other.example after ETIMEDOUT'],
  ])
})
