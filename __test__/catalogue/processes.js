'use strict'

// P: the process around. L: a queue on disk.

const { inProcess } = require('./connections.js')
const { sleep } = require('./support/runner.js')

const faults = '__test__/faults/process.test.js'

/** A program of its own that has to end by itself, well. */
const program = (script, { before = [], meddle, says = /fine/, ...more } = {}) => ({
  call: (context) =>
    inProcess(
      context,
      typeof before === 'function' ? before(context) : before,
      script,
      meddle && ((child) => meddle(child, context)),
    ),
  expect: { ok: true, stored: 'any', withinMs: [0, 600_000], ...more.expect },
  check: (context, { value }, assert) => {
    assert.deepEqual({ code: value.code, signal: value.signal }, { code: 0, signal: null }, value.output)
    assert.match(value.output, says)
  },
  ...more,
})

const QUICK = '{ logger: false, retry: { maxAttempts: 4, initialDelayMs: 10, maxDelayMs: 50, timeout: 120000 } }'

/** A call that is aborted in some phase: it rejects with the reason, soon, and sends no more. */
const aborted = (name, afterMs, more) => ({
  name,
  ...more,
  call: async (context, given) => {
    const controller = new AbortController()
    context.reason = new Error('the user left')
    const upload = context.storage.uploadFile({ body: context.body, ...given, signal: controller.signal })
    upload.catch(() => {})
    await sleep(afterMs)
    const at = performance.now()
    controller.abort(context.reason)
    try {
      return await upload
    } finally {
      context.took = performance.now() - at
    }
  },
  options: { retry: { initialDelayMs: 60_000, maxDelayMs: 60_000 } },
  expect: { reason: true, requests: false },
  check: ({ took }, outcome, assert) => assert.ok(took < 30_000, `${took} ms`),
})

const rows = [
  {
    id: 'P-01',
    what: 'Killed at any moment: what was said to be stored is',
    covered: {
      file: '__test__/faults/crash.test.js',
      test: '${KILLS} times: what was said to be stored is, nothing is corrupt, nothing is left over',
    },
  },
  {
    id: 'P-02',
    what: 'Killed in the middle of an upload in parts with a checkpoint: the next run sends what is missing',
    cases: [
      {
        body: 31 * 1024 * 1024,
        faults: [{ fault: 'slow', bytesPerSecond: 12_000_000, method: 'PUT' }],
        call: async (context, given) => {
          const script = `
            const { newStorage } = require('./index.js')
            const { noise } = require('./__test__/support/lab.js')
            newStorage({ logger: false, multipartThresholdBytes: 5242880, partSizeBytes: 5242880, partConcurrency: 1 })
              .uploadFile({ body: noise(${31 * 1024 * 1024}), key: ${JSON.stringify(given.key)}, checkpoint: process.env.CHECKPOINT, onProgress: (p, d) => d.part > 2 && process.kill(process.pid, 'SIGKILL') })`
          context.checkpoint = require('node:path').join(
            context.lab.folder,
            `${given.key.replace('/', '-')}.checkpoint`,
          )
          process.env.CHECKPOINT = context.checkpoint
          context.onEnd(() => delete process.env.CHECKPOINT)
          const killed = await inProcess(context, [], script)
          if (killed.signal !== 'SIGKILL') throw new Error(`not killed: ${killed.output}`)
          await context.control('PUT', '/faults', { faults: [] })
          return context.storage.uploadFile({ body: context.body, ...given, checkpoint: context.checkpoint })
        },
        storage: { partConcurrency: 1 },
        expect: { ok: true, attempts: 1, requests: false, withinMs: [0, 600_000] },
        check: (context, { value }, assert) => assert.ok(value.resumedParts >= 1, `${value.resumedParts}`),
      },
    ],
  },
  {
    id: 'P-03',
    what: 'Killed between "accepted" and the upload',
    impossible: 'nothing is accepted before it is stored',
  },
  {
    id: 'P-04',
    what: 'SIGTERM while uploads are under way',
    impossible: "signals are the program's own; `close` and waiting for its promises are what it has for them",
  },
  {
    id: 'P-05',
    what: 'process.exit in the middle of an upload',
    covered: { file: faults, test: 'process.exit in the middle of an upload ends the process, with its code' },
  },
  {
    id: 'P-06',
    what: 'Callbacks and loggers that throw',
    covered: { file: '__test__/facade/upload.test.js', test: 'loggers and callbacks that throw harm no upload' },
  },
  {
    id: 'P-07',
    what: 'The event loop is blocked for longer than an attempt may take: no false timeout',
    cases: [
      {
        call: (context, given) => {
          const upload = context.storage.uploadFile({ body: context.body, ...given })
          const end = Date.now() + 8000
          while (Date.now() < end);
          return upload
        },
        options: { retry: { timeout: 6000 } },
        expect: { ok: true, attempts: 1 },
      },
    ],
  },
  {
    id: 'P-08',
    what: 'A process that has nothing to do any more ends',
    covered: { file: faults, test: 'a process that has uploaded ends by itself' },
  },
  {
    id: 'P-09',
    what: 'Workers are ended in the middle of uploads',
    covered: { file: faults, test: '200 workers that end in the middle of uploads and retries crash nothing' },
  },
  {
    id: 'P-10',
    what: 'Only workers load the addon, and end by themselves',
    cases: [
      program(`
      const { Worker } = require('node:worker_threads')
      const script = "require('./index.js').uploadFile({ body: 'x', key: 'worker.txt' }).then(() => {})"
      const one = () => new Promise((resolve, reject) => new Worker(script, { eval: true }).on('error', reject).on('exit', resolve))
      ;(async () => {
        for (let round = 0; round < 10; round += 1) await Promise.all([one(), one(), one(), one()])
        console.log('fine')
      })()`),
    ],
  },
  {
    id: 'P-11',
    what: "The main thread and eight workers at once: closing one storage ends no other's uploads",
    cases: [
      program(`
      const { Worker } = require('node:worker_threads')
      const { newStorage } = require('./index.js')
      const script = "const s = require('./index.js').newStorage({ logger: false }); Promise.all(Array.from({ length: 20 }, (_, n) => s.uploadFile({ body: 'x', key: 'w/' + n }))).then(() => s.close())"
      const workers = Array.from({ length: 8 }, () => new Promise((resolve, reject) => new Worker(script, { eval: true }).on('error', reject).on('exit', resolve)))
      const storage = newStorage(${QUICK})
      const own = Array.from({ length: 50 }, (_, n) => storage.uploadFile({ body: 'x', key: 'm/' + n }))
      Promise.all([...own, ...workers]).then(() => console.log('fine'))`),
    ],
  },
  {
    id: 'P-12',
    what: 'Loaded twice, and in a context of its own',
    cases: [
      program(`
      const first = require('./index.js')
      for (const name of Object.keys(require.cache)) delete require.cache[name]
      const second = require('./index.js')
      if (first === second) throw new Error('the same')
      Promise.all([first, second].map(({ newStorage }, n) => newStorage(${QUICK}).uploadFile({ body: 'x', key: 'twice/' + n }))).then(() => console.log('fine'))`),
    ],
  },
  { id: 'P-13', what: 'Processes that share a queue on disk', impossible: 'there is no queue on disk' },
  {
    id: 'P-14',
    what: 'Little memory',
    open: 'needs a memory cgroup, which CI has not; docs/reports/memory.md has what uploads take',
  },
  {
    id: 'P-15',
    what: 'No thread can be made',
    open: 'the limit does not bind root, which the test server often runs as',
  },
  {
    id: 'P-16',
    what: 'A panic inside',
    open: 'needs a build with a hook that panics; every export is behind catch_unwind',
  },
  {
    id: 'P-18',
    what: 'Garbage is collected every few milliseconds',
    cases: [
      program(
        `
      const { newStorage } = require('./index.js')
      const storage = newStorage(${QUICK})
      const timer = setInterval(global.gc, 2)
      const one = async (n) => {
        const result = await storage.uploadFile({ body: Buffer.alloc(20000, n), key: 'gc/' + n })
        if (result.size !== 20000) throw new Error('size')
      }
      Promise.all(Array.from({ length: 300 }, (_, n) => one(n))).then(() => { clearInterval(timer); console.log('fine') })`,
        {
          before: ['env', 'NODE_OPTIONS=--expose-gc'],
          check: ({ lab }, { value }, assert) => {
            assert.match(value.output, /fine/)
            for (let n = 0; n < 300; n += 1) assert.ok(lab.stored(`gc/${n}`).every((byte) => byte === n % 256))
          },
        },
      ),
    ],
  },
  {
    id: 'P-19',
    what: 'Aborted in every phase',
    cases: [
      {
        name: 'before the call',
        call: (context, given) => {
          context.reason = new Error('gone')
          return context.storage.uploadFile({ body: context.body, ...given, signal: AbortSignal.abort(context.reason) })
        },
        expect: { reason: true, requests: 0 },
      },
      aborted('connecting', 200, { storage: ({ lab }) => ({ endpoint: lab.full, connectTimeoutMs: 120_000 }) }),
      aborted('in the handshake', 300, {
        tls: true,
        storage: { connectTimeoutMs: 120_000 },
        faults: [{ fault: 'tlsStop', end: 'hold' }],
      }),
      // 20 s in all: where the client's close waits behind its bytes, the proxy sees it only after them.
      aborted('sending', 300, { body: 400_000, faults: [{ fault: 'slow', bytesPerSecond: 20_000 }] }),
      aborted('waiting for the response', 200, { faults: [{ fault: 'hang' }] }),
      aborted('reading the response', 200, {
        faults: [
          { fault: 'raw', response: [{ text: 'HTTP/1.1 503 Later\r\ncontent-length: 9\r\n\r\nx' }], end: 'hold' },
        ],
      }),
      aborted('waiting between attempts', 300, { faults: [{ fault: 'status', status: 500, code: 'InternalError' }] }),
    ],
  },
  {
    id: 'P-20',
    what: 'Aborted after the end; many calls with one signal',
    cases: [
      {
        call: async (context, given) => {
          const controller = new AbortController()
          const results = await Promise.all(
            Array.from({ length: 300 }, (_, n) =>
              context.storage.uploadFile({ body: 'x', ...given, key: `signal/${n}`, signal: controller.signal }),
            ),
          )
          controller.abort()
          controller.abort()
          return { attempts: Math.max(...results.map((result) => result.attempts)) }
        },
        expect: { ok: true, attempts: 1, stored: 'any', withinMs: [0, 600_000] },
      },
    ],
  },
  {
    id: 'P-21',
    what: 'Nobody keeps the storage or the promise',
    cases: [
      program(
        `
      const { newStorage } = require('./index.js')
      for (let n = 0; n < 50; n += 1) newStorage(${QUICK}).uploadFile({ body: 'x', key: 'forgotten/' + n }).catch(() => {})
      let rounds = 0
      const timer = setInterval(() => { global.gc(); if (++rounds === 50) { clearInterval(timer); console.log('fine') } }, 10)`,
        { before: ['env', 'NODE_OPTIONS=--expose-gc'] },
      ),
    ],
  },
  {
    id: 'P-22',
    what: 'Closed with calls in flight, twice, and used again',
    cases: [
      {
        faults: [{ fault: 'hang' }],
        call: async (context, given) => {
          const upload = context.storage.uploadFile({ body: 'x', ...given }).then(
            () => 'stored',
            (error) => error.code,
          )
          await sleep(100)
          context.storage.close()
          context.storage.close()
          context.codes = [await upload]
          return context.storage.uploadFile({ body: 'x', ...given })
        },
        expect: { code: 'ERR_CLOSED', category: 'aborted', retryable: false, attempts: 0 },
        check: ({ codes }, outcome, assert) => assert.deepEqual(codes, ['ERR_CLOSED']),
      },
    ],
  },
  {
    id: 'P-23',
    what: 'The addon cannot be loaded',
    covered: { file: '__test__/facade/errors.test.js', test: 'an unloadable addon says what to do' },
  },
  {
    id: 'P-24',
    what: 'No HOME, no TMPDIR, nothing in the environment',
    cases: [
      program(
        `
    const { newStorage } = require('./index.js')
    newStorage({ ...JSON.parse(process.argv[1] ?? 'null'), logger: false }).uploadFile({ body: 'x', key: 'bare.txt' }).then(() => console.log('fine'))`,
        {
          before: ({ lab }) => [
            'env',
            '-i',
            ...Object.entries(lab.environment).map(([name, value]) => `${name}=${value}`),
          ],
        },
      ),
    ],
  },
  {
    id: 'P-25',
    what: 'Runtimes that load no addon',
    covered: { file: '__test__/facade/exports.test.js', test: 'the stub for other runtimes says what to do' },
  },
  {
    id: 'L-01',
    what: 'L-01 to L-16: faults of a queue on disk',
    impossible:
      'there is no queue on disk; a `checkpoint` that cannot be kept costs a warning, not the upload (resume.test.js)',
  },
]

module.exports = { title: 'P, L: processes', rows }
