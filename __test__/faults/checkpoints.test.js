'use strict'

// Checkpoints and stores as nobody should have them, drawn by chance: an upload stores exactly its own bytes, or is refused
// by a typed error; it waits no longer for a store than the docs say; and files of others stay as they are. A failure
// prints what draws the same again:
//
//   FC_SEED=123 FC_PATH=4:5 node --test __test__/faults/checkpoints.test.js

const assert = require('node:assert/strict')
const fs = require('node:fs')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { Readable } = require('node:stream')
const { after, afterEach, before, describe, mock, test } = require('node:test')
const { setImmediate: nextTurn } = require('node:timers/promises')
const { execFileSync, spawnSync } = require('node:child_process')
const fc = require('fast-check')
const { InputError, newStorage } = require('../../index.js')
const { startLocalR2 } = require('../../lib/testing/index.js')
const { noise } = require('../support/lab.js')
const { BEHAVIOURS, DAMAGES, NO_STORES, SHAPES, resealed } = require('../support/odd-stores.js')

const seed = Number(process.env.FC_SEED ?? Date.now() & 0x7fffffff)
const LIMIT_MS = 60_000
/** As docs/large-objects.md has it: for each of reading, writing and removing. */
const STORE_TIMEOUT_MS = 5000
const PART_BYTES = 5 * 1024 * 1024
/** Two parts. */
const body = noise(PART_BYTES + 1000)
/** Differs in its first part, or in its last. */
const bodies = {
  same: body,
  'another start': changed(0),
  'another end': changed(body.length - 1),
  longer: Buffer.concat([body, body.subarray(0, 7)]),
}

function changed(at) {
  const copy = Buffer.from(body)
  copy[at] ^= 1
  return copy
}

let r2
let storage
const warnings = []
const warned = (warning) => warnings.push(warning)
before(async () => {
  r2 = await startLocalR2()
  const retry = { maxAttempts: 2, initialDelayMs: 0, maxDelayMs: 0, timeout: LIMIT_MS }
  storage = newStorage({
    ...r2.config,
    retry,
    multipartThresholdBytes: PART_BYTES,
    partSizeBytes: PART_BYTES,
    partConcurrency: 1,
    logger: false,
  })
  process.on('warning', warned)
})
afterEach(() => {
  mock.timers.reset()
  const ours = warnings.splice(0).filter(({ name }) => name === 'ReliableR2Warning')
  for (const { message } of ours)
    assert.match(message, /^a checkpoint could not be (read|written|removed); the upload continues\. \P{C}+$/u)
})
after(async () => {
  process.off('warning', warned)
  storage.close()
  await r2.stop()
})

function property(name, runs, ...arbitrariesAndCheck) {
  const times = Number(process.env.FC_TIMES ?? 1)
  test(name, { timeout: LIMIT_MS * 4 * times }, async (t) => {
    t.diagnostic(`FC_SEED=${seed}`)
    const options = {
      seed,
      path: process.env.FC_PATH,
      endOnFailure: true,
      includeErrorInReport: true,
      numRuns: runs * times,
      timeout: LIMIT_MS,
    }
    await fc.assert(fc.asyncProperty(...arbitrariesAndCheck), options)
  })
}

/** A part that is refused, behind another one that is stored. */
const refuseLast = { fault: 'status', status: 403, code: 'AccessDenied', method: 'PUT', skip: 1, times: 1 }

/** Leaves an upload of which the first part is stored, and gives the text of its checkpoint. */
async function interrupted(key, given, bucket) {
  const store = new Map()
  r2.faults([refuseLast])
  await assert.rejects(storage.uploadFile({ key, body: given, bucket, checkpoint: store }), { code: 'AccessDenied' })
  r2.faults([])
  const [text] = store.values()
  assert.equal(typeof text, 'string', 'it is kept when the call has rejected')
  return text
}

async function completed(key, given) {
  const texts = []
  await storage.uploadFile({
    key,
    body: given,
    checkpoint: { get() {}, set: (_, text) => texts.push(text), delete() {} },
  })
  r2.reset()
  return texts[0]
}

/** A store that gives something, whatever it is asked for. */
const storeOf = (given) => ({ get: () => given, set() {}, delete() {} })

/** Whose checkpoint it is; each leaves what it is of. */
const ORIGINS = {
  'the same upload': () => interrupted('a', body),
  'another body': () => interrupted('a', bodies['another start']),
  'another key': () => interrupted('b', body),
  'an upload that was completed': () => completed('a', body),
  'an upload under another key, in our name': async () => resealed(await interrupted('b', body), { key: 'a' }),
}

const anything = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom(
    '',
    'x'.repeat(4096),
    'x'.repeat(5000),
    '../..',
    '\u202e',
    -1,
    0.5,
    2 ** 53,
    2 ** 60,
    PART_BYTES,
    5 * 1024 ** 3,
  ),
)
const field = fc.constantFrom(
  'version',
  'key',
  'uploadId',
  'partBytes',
  'totalBytes',
  'hasChecksums',
  'fingerprint',
  'write',
  '__proto__',
  'toString',
)
const plan = fc.record({
  origin: fc.constantFrom(...Object.keys(ORIGINS)),
  change: fc.option(fc.dictionary(field, anything, { minKeys: 1, maxKeys: 2 }), { freq: 2 }),
  damage: fc.constantFrom('none', ...Object.keys(DAMAGES)),
  at: fc.nat(2000),
  text: fc.string({ unit: 'binary', maxLength: 20 }),
  now: fc.constantFrom(...Object.keys(bodies)),
})

describe('checkpoints', () => {
  property(
    'an upload stores its own bytes, whatever its store gives',
    40,
    plan,
    async ({ origin, change, damage, at, text, now }) => {
      r2.reset()
      let kept = await ORIGINS[origin]()
      const open = r2.uploads()
      if (change) kept = resealed(kept, change)
      const given = DAMAGES[damage](kept, { at, text })
      const outcome = await storage
        .uploadFile({ key: 'a', body: bodies[now], checkpoint: storeOf(given) })
        .catch((error) => error)

      const stored = r2.objects()
      if (outcome instanceof Error) {
        assert.ok(outcome instanceof InputError, outcome.stack)
        assert.deepEqual([outcome.code, outcome.option], ['ERR_INVALID_OPTION', 'checkpoint'])
        assert.match(outcome.message, /another object/)
        assert.equal(stored.size, 0)
      } else {
        assert.deepEqual([...stored.keys()], ['a'])
        assert.ok(stored.get('a').body.equals(bodies[now]), 'other bytes')
      }
      // What another key has begun stays.
      assert.deepEqual(
        r2.uploads().filter(({ key }) => key === 'b'),
        open.filter(({ key }) => key === 'b'),
      )
    },
  )

  const behaviour = fc.constantFrom('is at once', 'is asynchronous', ...Object.keys(BEHAVIOURS))
  const store = fc.record({
    shape: fc.constantFrom(...Object.keys(SHAPES)),
    get: behaviour,
    set: behaviour,
    delete: behaviour,
    isRefused: fc.boolean(),
  })
  property(
    'an upload does what it would do without a store, whatever its store does',
    60,
    store,
    async ({ shape, isRefused, ...does }) => {
      r2.reset()
      if (isRefused) r2.faults([refuseLast])
      mock.timers.enable({ apis: ['setTimeout'] })
      let waited = 0
      const hang = () => {
        setImmediate(() => {
          waited += STORE_TIMEOUT_MS
          mock.timers.tick(STORE_TIMEOUT_MS)
        })
        return new Promise(() => {})
      }
      const map = new Map()
      const methods = {}
      for (const name of ['get', 'set', 'delete'])
        methods[name] = (...given) => BEHAVIOURS[does[name]](() => map[name](...given), hang)
      const checkpoint = SHAPES[shape](methods)
      try {
        const outcome = await storage.uploadFile({ key: 'a', body, checkpoint }).catch((error) => error)
        if (isRefused) assert.equal(outcome.code, 'AccessDenied', outcome.stack)
        else {
          assert.ok(!(outcome instanceof Error), outcome.stack)
          assert.ok(r2.objects().get('a').body.equals(body))
        }
        assert.ok(waited <= 3 * STORE_TIMEOUT_MS, `it waited ${waited} ms for its store`)
      } finally {
        mock.timers.reset()
      }
    },
  )

  for (const [name, make] of Object.entries(NO_STORES)) {
    test(`${name} is refused`, async () => {
      r2.reset()
      await assert.rejects(storage.uploadFile({ key: 'a', body, checkpoint: make() }), {
        name: 'InputError',
        code: 'ERR_INVALID_OPTION',
        option: 'checkpoint',
      })
      assert.deepEqual(r2.events(), [])
    })
  }

  for (const [status, code] of [
    [400, 'InvalidArgument'],
    [403, 'AccessDenied'],
    [501, 'NotImplemented'],
  ]) {
    test(`a storage that refuses the list of parts with ${code} gets the object anew`, async () => {
      r2.reset()
      const text = await interrupted('a', body)
      r2.faults([{ fault: 'status', status, code, method: 'GET' }])
      const { resumedParts } = await storage.uploadFile({ key: 'a', body, checkpoint: storeOf(text) })
      assert.equal(resumedParts, 0)
      assert.ok(r2.objects().get('a').body.equals(body))
    })

    test(`an upload of other headers, whose removal is refused with ${code}, is removed once`, async () => {
      r2.reset()
      const text = await interrupted('a', body)
      r2.faults([{ fault: 'status', status, code, method: 'DELETE' }])
      await storage.uploadFile({ key: 'a', body, contentType: 'image/png', checkpoint: storeOf(text) })
      assert.equal(r2.events().filter(({ method }) => method === 'DELETE').length, 1)
    })
  }

  test('an abort is not held by a store, before and after the object is stored', async () => {
    r2.reset()
    for (const hanging of ['get', 'set', 'delete']) {
      const controller = new AbortController()
      const map = new Map()
      const store = { get: () => undefined, set() {}, delete() {}, ...map }
      store[hanging] = () => {
        setImmediate(() => controller.abort())
        return new Promise(() => {})
      }
      const outcome = await storage
        .uploadFile({ key: 'a', body, checkpoint: store, signal: controller.signal })
        .catch((error) => error)
      // Stored is stored.
      assert.equal(outcome.name, hanging === 'delete' ? undefined : 'AbortError')
    }
  })
})

/** What is at the checkpoint's path, by a name. Each makes it, beside a file of somebody else. */
const PLACES = {
  nothing: () => {},
  'a checkpoint': ({ file, text }) => fs.writeFileSync(file, text, { mode: 0o600 }),
  'a checkpoint that everybody may write to': ({ file, text }) => {
    fs.writeFileSync(file, text)
    fs.chmodSync(file, 0o666)
  },
  'a checkpoint that nobody may read': ({ file, text }) => fs.writeFileSync(file, text, { mode: 0 }),
  'an empty file': ({ file }) => fs.writeFileSync(file, ''),
  'a giant file': ({ file }) => {
    fs.writeFileSync(file, '{')
    fs.truncateSync(file, 2 ** 40)
  },
  'a checkpoint of another object': ({ file, other }) => fs.writeFileSync(file, other),
  'a symbolic link to a file of somebody else': ({ file, victim }) => fs.symlinkSync(victim, file),
  'a symbolic link to nothing': ({ file, folder }) => fs.symlinkSync(path.join(folder, 'nothing'), file),
  'a symbolic link to itself': ({ file }) => fs.symlinkSync(file, file),
  'another name of a file of somebody else': ({ file, victim }) => fs.linkSync(victim, file),
  'a folder': ({ file }) => fs.mkdirSync(file),
  'a folder that is not empty': ({ file }) => fs.mkdirSync(path.join(file, 'inner'), { recursive: true }),
  'a pipe': ({ file }) => execFileSync('mkfifo', [file]),
  'a socket': ({ file }) =>
    spawnSync(
      process.execPath,
      ['-e', `require('net').createServer().listen(${JSON.stringify(file)}, () => process.kill(process.pid, 9))`],
      { stdio: 'ignore' },
    ),
  'no folder for it': ({ folder }) => fs.rmSync(folder, { recursive: true }),
  'a file in place of its folder': ({ folder }) => {
    fs.rmSync(folder, { recursive: true })
    fs.writeFileSync(folder, 'a file')
  },
}

describe('files of checkpoints', { skip: process.platform === 'win32' && 'no links, pipes and modes as here' }, () => {
  const root = fs.mkdtempSync(path.join(tmpdir(), 'reliable-r2-checkpoints-'))
  after(() => fs.rmSync(root, { recursive: true, force: true }))
  const place = fc.constantFrom(...Object.keys(PLACES))

  property(
    'an upload stores its own bytes, and changes no file of somebody else',
    40,
    place,
    place,
    fc.boolean(),
    async (first, meanwhile, isRefused) => {
      r2.reset()
      const text = await interrupted('a', body)
      const other = await interrupted('b', body)
      const folder = fs.mkdtempSync(path.join(root, 'run-'))
      const victim = path.join(root, 'victim')
      fs.writeFileSync(victim, 'precious')
      const file = path.join(folder, 'upload.json')
      const given = { file, folder, victim, text, other }
      await PLACES[first](given)

      const before = r2.events().length
      let ended = false
      // The upload may write its checkpoint between two of these steps, which is no failure of the source.
      const disturb = async (triesLeft = 100) => {
        try {
          fs.rmSync(folder, { recursive: true, force: true })
          fs.mkdirSync(folder)
          await PLACES[meanwhile](given)
        } catch (error) {
          if (triesLeft === 0) throw error
          await nextTurn()
          await disturb(triesLeft - 1)
        }
      }
      // Changes what is there once the checkpoint has been read, which the first request follows.
      async function* source() {
        yield body.subarray(0, PART_BYTES + 1)
        while (r2.events().length === before && !ended) await nextTurn()
        await disturb()
        yield body.subarray(PART_BYTES + 1)
      }
      if (isRefused) r2.faults([refuseLast])
      const outcome = await storage
        .uploadFile({ key: 'a', body: Readable.from(source()), contentLength: body.length, checkpoint: file })
        .catch((error) => error)
      ended = true

      if (first === 'a checkpoint of another object') {
        assert.deepEqual([outcome.code, outcome.option], ['ERR_INVALID_OPTION', 'checkpoint'])
      } else if (!(outcome instanceof Error)) {
        assert.ok(r2.objects().get('a').body.equals(body), 'other bytes')
      } else assert.equal(isRefused && outcome.code, 'AccessDenied', outcome.stack)
      assert.equal(fs.readFileSync(victim, 'utf8'), 'precious')
      if (fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
        assert.deepEqual(
          fs.readdirSync(folder).filter((name) => name !== 'upload.json'),
          [],
          'nothing else is left',
        )
      }
    },
  )
})
