'use strict'

// Another dependency's prototype pollution: properties on Object.prototype, under the names of our options and results.
// Every public call must go as without them: options one at a time, and all names together. POLLUTED=name,name runs some
// names alone, with values of each type.

const assert = require('node:assert/strict')
const { execFile } = require('node:child_process')
const { readFileSync, readdirSync } = require('node:fs')
const { createServer } = require('node:http')
const path = require('node:path')
const test = require('node:test')
const { promisify } = require('node:util')
const { startLocalR2 } = require('../../lib/testing/index.js')

const PROGRAM = path.join(__dirname, '..', 'support', 'polluted-program.js')
const DECLARATIONS = [
  ...readdirSync(path.join(__dirname, '..', '..', 'types')).map((name) => `types/${name}`),
  'lib/dashboard/index.d.ts',
  'lib/alerts/index.d.ts',
  'lib/testing/index.d.ts',
  'native.d.ts',
]

/** JavaScript itself breaks where Object.prototype has these, and Node.js's own Response where it has `cancel`. */
const OF_THE_LANGUAGE = [
  'constructor',
  'get',
  'set',
  'value',
  'then',
  'toJSON',
  'name',
  'message',
  'cause',
  'stack',
  'length',
  'cancel',
]

/** What would do the most harm, by name; else values of each type. */
const HARMFUL = {
  allowPrivateNetworks: [true],
  allowedHosts: [['127.0.0.1']],
  authorize: [{ kind: 'function' }],
  checkpoint: [{ kind: 'store' }, '/nowhere/checkpoint'],
  contentType: ['text/html'],
  declaredType: ['text/html'],
  disposition: ['attachment'],
  endpoint: ['http://127.0.0.1:9'],
  endpoints: [[{ endpoint: 'http://127.0.0.1:9' }]],
  ifNoneMatch: ['*'],
  retry: [{ maxAttempts: 1, timeout: 1 }, 'fast'],
  token: ['f3e1a09b77c45d2180aa31be6fc9d013'],
  url: ['https://example.com/'],
}
const OF_EACH_TYPE = [true, 'polluted', 1, { kind: 'function' }]

function namesOf(file, pattern = /^\s+(?:readonly )?(\w+)\??[:(]/gm) {
  const text = readFileSync(path.join(__dirname, '..', '..', file), 'utf8')
  return [...text.matchAll(pattern)].map(([, name]) => name)
}

/** Those of a storage's configuration: a storage that was there before has read its own. */
const [, configuration] = /interface StorageConfig \{([^]*?)\n\}/.exec(
  readFileSync(path.join(__dirname, '..', '..', 'types', 'config.d.ts'), 'utf8'),
)
const ofStorage = new Set([...configuration.matchAll(/^ {2}(\w+)\?:/gm)].map(([, name]) => name))

const names = [...new Set(DECLARATIONS.flatMap((file) => namesOf(file)))]
  .filter((name) => !OF_THE_LANGUAGE.includes(name))
  .sort()

test('properties on Object.prototype change nothing', { timeout: 240_000 }, async (t) => {
  const internal = createServer((_, response) => response.end('internal'))
  await new Promise((resolve) => internal.listen(0, '127.0.0.1', resolve))
  t.after(() => internal.close())
  const run = async (pollutions) => {
    const r2 = await startLocalR2()
    t.after(() => r2.stop())
    const given = {
      config: JSON.stringify(r2.config),
      internal: `http://127.0.0.1:${internal.address().port}/`,
      pollutions: JSON.stringify(pollutions),
    }
    const args = Object.entries(given).map(([name, value]) => `--${name}=${value}`)
    const env = { ...process.env, NODE_OPTIONS: '', STORAGE_ENDPOINT: undefined }
    const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', PROGRAM, ...args], {
      env,
      maxBuffer: 1 << 26,
    })
    return JSON.parse(stdout)
  }
  assert.ok(
    names.length > 150 && Object.keys(HARMFUL).every((name) => names.includes(name)),
    'the declarations were read',
  )
  const options = new Set(DECLARATIONS.flatMap((file) => namesOf(file, /^\s+(?:readonly )?(\w+)\?:/gm)))
  const some =
    process.env.POLLUTED?.split(',') ?? names.filter((name) => options.has(name) || Object.hasOwn(HARMFUL, name))
  const values = (name, index) =>
    HARMFUL[name] ?? (process.env.POLLUTED ? OF_EACH_TYPE : [OF_EACH_TYPE[index % OF_EACH_TYPE.length]])
  const single = some.flatMap((name, index) =>
    values(name, index).map((value) => ({ pollution: [[name, value]], isOfStorage: ofStorage.has(name) })),
  )
  const together = OF_EACH_TYPE.map((value) => ({
    pollution: names.map((name) => [name, HARMFUL[name]?.[0] ?? value]),
    isOfStorage: true,
  }))
  const [half, other] = [single.slice(0, single.length / 2), single.slice(single.length / 2)]
  const found = (await Promise.all([run(half), run([...other, ...(process.env.POLLUTED ? [] : together)])])).flat()
  assert.deepEqual(
    found.map(({ names, value, changes }) => `${names} = ${value}: ${changes.join('\n').slice(0, 500)}`),
    [],
  )
})
