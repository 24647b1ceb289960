'use strict'

// Anything a socket may be sent, to the local R2 that is published and to the one of the test server: they respond as a
// server may or close the connection, hold nothing afterwards, write nowhere else, and serve the next client. A failure
// prints what draws the same again:
//
//   FC_SEED=123 FC_PATH=4:5 node --test __test__/testing/raw-sockets.test.js

const assert = require('node:assert/strict')
const { mkdtempSync, readdirSync, realpathSync, rmSync } = require('node:fs')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { after, before, describe, test } = require('node:test')
const { setImmediate: nextTurn } = require('node:timers/promises')
const fc = require('fast-check')
const { newStorage } = require('../../index.js')
const { startLocalR2 } = require('../../lib/testing/index.js')
const { Lab, keys } = require('../support/lab.js')
const { RawS3 } = require('../support/raw-s3.js')
const { connection, connectionBytes, exchangeBytes } = require('../support/raw-requests.js')

const seed = Number(process.env.FC_SEED ?? Date.now() & 0x7fffffff)
const LIMIT_MS = 30_000
const times = Number(process.env.FC_TIMES ?? 1)

function property(name, runs, check) {
  test(name, { timeout: LIMIT_MS * 4 * times }, async (t) => {
    t.diagnostic(`FC_SEED=${seed}`)
    const options = {
      seed,
      path: process.env.FC_PATH,
      includeErrorInReport: true,
      numRuns: runs * times,
      timeout: LIMIT_MS,
      interruptAfterTimeLimit: LIMIT_MS * 3 * times,
    }
    await fc.assert(fc.asyncProperty(connection, check), options)
  })
}

/** The statuses of what a server sent; what is no HTTP is an error. */
function statusesOf(received) {
  if (received === '') return []
  assert.match(received, /^HTTP\/1\.[01] \d{3}/)
  return Array.from(received.matchAll(/^HTTP\/1\.[01] (\d{3})/gm), ([, status]) => Number(status))
}

/** Whether a request of the connection may be one that the server knows. */
const mayBeSigned = ({ requests }) => requests.some(({ signature }) => signature === 'right')

function checkStatuses(drawn, received, failures) {
  const statuses = statusesOf(received)
  const failed = statuses.filter((status) => failures.includes(status))
  assert.deepEqual(failed, [], received.slice(0, 2000))
  if (!mayBeSigned(drawn))
    assert.deepEqual(
      statuses.filter((status) => status >= 200 && status < 400),
      [],
      received.slice(0, 2000),
    )
}

/** An upload in parts of the key `a`, for requests to name. */
async function openUpload({ endpoint, bucket, accessKey, secretKey }) {
  const s3 = new RawS3({ endpoint, bucket, accessKey, secretKey })
  const { body } = await s3.request('POST', 'a', { query: { uploads: '' } })
  s3.close()
  return /<UploadId>([^<]+)/.exec(body)[1]
}

describe('the local R2 of the package', () => {
  let r2
  let storage
  let server
  before(async () => {
    r2 = await startLocalR2({ bucket: 'fuzzed', buckets: ['others'] })
    const { host } = new URL(r2.url)
    server = { ...r2.config, host }
    server.uploadId = await openUpload(r2.config)
    storage = newStorage({
      ...r2.config,
      bucket: 'others',
      logger: false,
      retry: { maxAttempts: 1, timeout: LIMIT_MS },
    })
    await storage.uploadFile({ key: 'precious', body: 'precious' })
  })
  after(async () => {
    storage.close()
    await r2.stop()
  })
  const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length

  property('responds with what a client may get, and serves the next one', 400, async (drawn) => {
    const held = sockets()
    const received = await exchangeBytes(new URL(r2.url).port, connectionBytes(drawn, server), drawn)
    checkStatuses(drawn, received, [500, 502, 503, 504])
    while (sockets() > held) await nextTurn()
    assert.deepEqual(
      [...r2.objects('others')].map(([key, { body }]) => [key, body.toString()]),
      [['precious', 'precious']],
    )
    assert.equal(await new Response((await storage.download({ key: 'precious' })).body).text(), 'precious')
  })
})

describe('the local R2 of the test server', { skip: process.platform !== 'linux' && 'reads /proc' }, () => {
  let lab
  let storage
  let parent
  let uploadId
  before(async () => {
    parent = mkdtempSync(path.join(tmpdir(), 'reliable-r2-raw-'))
    const { TMPDIR } = process.env
    process.env.TMPDIR = parent
    try {
      lab = await Lab.start('--bucket', 'others')
    } finally {
      if (TMPDIR === undefined) delete process.env.TMPDIR
      else process.env.TMPDIR = TMPDIR
    }
    uploadId = await openUpload({ endpoint: lab.proxy, bucket: 'pictures', ...keys })
    storage = lab.storage({ bucket: 'others', retry: { maxAttempts: 1, timeout: LIMIT_MS } })
    await storage.uploadFile({ key: 'precious', body: 'precious' })
  })
  after(async () => {
    storage.close()
    await lab.stop()
    rmSync(parent, { recursive: true, force: true })
  })
  const descriptors = () => readdirSync(`/proc/${lab.child.pid}/fd`).length

  for (const port of ['proxy', 'control']) {
    property(`its ${port} responds, and serves the next client`, 200, async (drawn) => {
      const held = descriptors()
      const { port: number, host } = new URL(lab[port])
      const server = { host, bucket: 'pictures', ...keys, uploadId }
      checkStatuses(drawn, await exchangeBytes(number, connectionBytes(drawn, server), drawn), [])
      while (descriptors() > held) await nextTurn()
      assert.deepEqual(
        readdirSync(parent),
        [path.basename(realpathSync(lab.folder))],
        'something is written beside its folder',
      )
      assert.equal(await new Response((await storage.download({ key: 'precious' })).body).text(), 'precious')
      assert.equal(lab.child.exitCode, null)
    })
  }
})
