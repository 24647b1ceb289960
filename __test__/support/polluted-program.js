'use strict'

// Runs every public call, first as it is and then with properties on Object.prototype, and compares what came of it.
// Arguments: the local R2's configuration, the URL of an internal server, and the pollutions: lists of [name, value],
// each list at once. Prints those that made a difference.

const { EventEmitter } = require('node:events')
const { parseArgs } = require('node:util')
const {
  StorageError,
  errorResponse,
  fromFile,
  isRetryableError,
  newStorage,
  retryWithBackoff,
} = require('../../index.js')
const { dashboard, metricsRoute } = require('../../lib/dashboard/index.js')
const { breakerOpen, standardRules, watch } = require('../../lib/alerts/index.js')
const { startLocalR2 } = require('../../lib/testing/index.js')

const { values } = parseArgs({
  options: { config: { type: 'string' }, internal: { type: 'string' }, pollutions: { type: 'string' } },
})
const config = JSON.parse(values.config)
const functions = { function: () => true, store: new Map() }

/** What came of a call, without what differs from run to run. */
async function outcomeOf(run) {
  try {
    return stable(await run())
  } catch (error) {
    return error instanceof StorageError
      ? stable({ ...error.toJSON(), message: undefined })
      : `${error.name}: ${error.message}`
  }
}

/** Own properties only, as text; numbers of time and chance are left out. */
function stable(value) {
  const changing =
    /^(elapsedMs|atMs|ageMs|requestId|lastModified|expiresAt|url|location|latencyMs|phasesMs|endpoint|retryAfterMs|pacing|history|attemptMs|successRate|throughput|uptimeMs|at|now)$/
  const own = (_, inner) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner
    const names = Object.keys(inner).sort()
    return Object.assign(
      Object.create(null),
      ...names.map((name) => ({ [name]: changing.test(name) ? typeof inner[name] : inner[name] })),
    )
  }
  return JSON.stringify(value, own) ?? String(value)
}

async function textOf(response) {
  return [response.status, [...response.headers].map(([name]) => name), (await response.text()).length > 0]
}

const lines = []
const line = (level) => (text) => lines.push(`${level} ${text.replace(/[0-9]+/g, '0')}`)
const events = []

function makeStorage() {
  const logger = Object.assign(new EventEmitter(), {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
  })
  const storage = newStorage({
    ...config,
    logger,
    logLevel: 'debug',
    retry: { maxAttempts: 2, initialDelayMs: 1, maxDelayMs: 1 },
  })
  for (const name of ['attempt', 'success', 'failure']) storage.on(name, (event) => events.push(stable(event)))
  return storage
}

/** Made before: what their makers read of their own options is not ours. */
const given = () => ({
  request: new Request('http://localhost/'),
  response: new Response('response'),
  stream: new Blob(['stream']).stream(),
})

async function transcript(storage, { request, response, stream }) {
  const key = 'pollution/a.png'
  const calls = {
    upload: () => storage.uploadFile({ key, body: 'bytes' }),
    stream: () => storage.uploadFile({ key, body: stream }),
    response: () => storage.uploadFile({ key: `${key}.bin`, body: response }),
    file: () => storage.uploadFile({ key: `${key}.js`, body: fromFile(__filename) }),
    'a plain object': () => storage.uploadFile({ key, body: {} }),
    'no key': () => storage.uploadFile({ body: 'x' }),
    'no body': () => storage.uploadFile({ key }),
    'no url': () => storage.downloadAndUpload({ key }),
    retries: () => storage.uploadFile({ key, body: 'bytes', retry: {}, metadata: {}, headers: {} }),
    batch: () => storage.uploadFiles([{ key, body: 'x' }, {}]),
    'an internal address': () => storage.downloadAndUpload({ url: values.internal, key }),
    head: () => storage.head({ key }),
    exists: () => storage.exists({ key: 'pollution/absent' }),
    download: async () => ({ ...(await storage.download({ key })), body: undefined }),
    list: async () => {
      let count = 0
      for await (const _ of storage.list({ prefix: key })) count += 1
      return count
    },
    presign: async () => new URL((await storage.presign({ key })).url).search.replace(/=[^&]*/g, ''),
    address: () => storage.publicUrl({ key }),
    cleanup: () => storage.abortIncompleteUploads({ prefix: key }),
    delete: () => storage.delete({ key }),
    'no configuration': () => newStorage({}).uploadFile({ key, body: 'x' }),
    'an endpoint that is not https': () => newStorage({ endpoint: 'http://example.com' }),
    'a loop': () => retryWithBackoff(async ({ attempt }) => attempt, {}),
    'a loop that fails': () =>
      retryWithBackoff(() => Promise.reject(new Error('final')), { maxAttempts: 2, initialDelayMs: 1 }),
    'an unknown error': () => isRetryableError(new Error('unknown')),
    'a closed dashboard': async () => textOf(await dashboard(storage, {}).GET(request)),
    'a dashboard without options': async () => textOf(await dashboard(storage).GET(request)),
    'a dashboard with a token': async () =>
      textOf(await dashboard(storage, { token: 'f3e1a09b77c45d2180aa31be6fc9d012' }).GET(request)),
    'closed metrics': async () => textOf(await metricsRoute(storage, {}).GET(request)),
    'an error of ours': async () =>
      textOf(errorResponse(await storage.head({ key: 'pollution/absent' }).catch((error) => error))),
    'an error of another': async () => textOf(errorResponse(new Error('x'), { onError() {} })),
    alerts: () => [standardRules().length, breakerOpen()({ endpoints: [] })],
    watch: () => watch(storage, { onAlert() {} }).stop(),
    metrics: () => Object.keys(storage.metrics().operations),
    'local R2': async () => {
      const r2 = await startLocalR2({})
      r2.faults([{ fault: 'hang' }])
      await r2.stop()
      return Object.keys(r2.config)
    },
  }
  const seen = []
  for (const [name, run] of Object.entries(calls)) {
    const outcome = await outcomeOf(run)
    seen.push(`${name}: ${outcome}`)
  }
  await new Promise(setImmediate)
  return [...seen, ...events.splice(0), ...lines.splice(0)].map((text) =>
    text.replace(/127\.0\.0\.1:\d+/g, 'host').replace(/\d+ ms/g, 'n ms'),
  )
}

async function main() {
  const storage = makeStorage()
  await transcript(storage, given())
  const before = await transcript(storage, given())
  const again = await transcript(makeStorage(), given())
  const differences = differencesOf(before, again)
  if (differences.length > 0) throw new Error(`the transcript is not the same each time: ${differences.join('\n')}`)
  const found = []
  for (const { pollution, isOfStorage } of JSON.parse(values.pollutions)) {
    const inputs = given()
    for (const [name, value] of pollution) {
      const polluted = value?.kind ? functions[value.kind] : value
      Object.defineProperty(Object.prototype, name, {
        __proto__: null,
        value: polluted,
        configurable: true,
        enumerable: true,
        writable: true,
      })
    }
    let after
    try {
      after = await transcript(isOfStorage ? makeStorage() : storage, inputs)
    } catch (error) {
      after = [`threw ${error.stack}`]
    }
    for (const [name] of pollution) delete Object.prototype[name]
    const changes = differencesOf(before, after)
    if (changes.length > 0)
      found.push({
        names: pollution.length > 3 ? `${pollution.length} names` : pollution.map(([name]) => name).join(', '),
        value: String(JSON.stringify(pollution[0][1])),
        changes: changes.slice(0, 3),
      })
  }
  process.stdout.write(JSON.stringify(found))
}

function differencesOf(before, after) {
  const length = Math.max(before.length, after.length)
  return Array.from({ length }, (_, at) => at)
    .filter((at) => before[at] !== after[at])
    .map((at) => `expected ${before[at]}\n  actual ${after[at]}`)
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  },
)
