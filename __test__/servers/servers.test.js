'use strict'

// The same contract against S3 servers that were written apart. What one of them is known to do otherwise is in
// deviations.js, and has to happen.

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { mkdirSync, mkdtempSync, rmSync } = require('node:fs')
const { createServer } = require('node:net')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const { after, before, describe, test } = require('node:test')
const { AwsClient } = require('aws4fetch')
const { newStorage } = require('../../index.js')
const { newSeed } = require('../support/dice.js')
const { checkForeignObjects } = require('../support/foreign-objects.js')
const { Lab, keys } = require('../support/lab.js')
const { RawS3 } = require('../support/raw-s3.js')
const { MIB, contract } = require('./contract.js')
const { deviations } = require('./deviations.js')

const bin = process.env.SERVERS
if (!bin) throw new Error('SERVERS is not set: run `npm run task servers`')
const bucket = 'pictures'

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Starts a program that serves at a port, and waits until it does. */
async function serve(program, args, port) {
  const child = spawn(path.join(bin, program), args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said = (said + text).slice(-4000)))
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const url = `http://127.0.0.1:${port}`
  for (const until = Date.now() + 60_000; ; await sleep(50)) {
    if (child.exitCode !== null || Date.now() > until) throw new Error(`${program} does not serve:\n${said}`)
    if (
      await fetch(url).then(
        () => true,
        () => false,
      )
    )
      break
  }
  const stop = async () => {
    child.kill()
    await ended
  }
  return { url, stop }
}

/** By name: how it is started. */
const servers = {
  async 's3s-fs'() {
    const lab = await Lab.start()
    return { url: lab.s3, stop: () => lab.stop() }
  },
  async rclone() {
    const folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-rclone-'))
    mkdirSync(path.join(folder, bucket))
    const port = await freePort()
    const key = `${keys.accessKey},${keys.secretKey}`
    const { url, stop } = await serve(
      'rclone',
      ['serve', 's3', folder, '--addr', `127.0.0.1:${port}`, '--auth-key', key, '--config', path.join(folder, 'none')],
      port,
    )
    return {
      url,
      async stop() {
        await stop()
        rmSync(folder, { recursive: true, force: true })
      },
    }
  },
  async moto() {
    const port = await freePort()
    const server = await serve('moto_server', ['-H', '127.0.0.1', '-p', String(port)], port)
    const client = new AwsClient({
      accessKeyId: keys.accessKey,
      secretAccessKey: keys.secretKey,
      service: 's3',
      region: 'us-east-1',
      retries: 0,
    })
    const made = await client.fetch(`${server.url}/${bucket}`, { method: 'PUT' })
    assert.equal(made.status, 200)
    return server
  },
}

for (const [name, start] of Object.entries(servers)) {
  describe(name, () => {
    let server
    const tools = {}
    before(async () => {
      server = await start()
      const sizes = { multipartThresholdBytes: 5 * MIB, partSizeBytes: 5 * MIB }
      tools.fresh = (options) =>
        newStorage({ endpoint: server.url, ...keys, bucket, logger: false, retry: 'fast', ...sizes, ...options })
      tools.storage = tools.fresh({})
    })
    after(() => server?.stop())

    for (const [what, { expected, check }] of Object.entries(contract)) {
      const known = deviations[name]?.[what]
      test(known ? `${what}: ${known.why}` : what, async () => {
        const seen = await check(tools).catch(({ code, status, category }) => ({
          code,
          status: status ?? null,
          category,
        }))
        if (!known) return assert.deepEqual(seen, expected)
        assert.deepEqual(seen, known.seen)
        assert.notDeepEqual(seen, expected, 'this is no deviation any more')
      })
    }

    test('objects that another client stored are the same to both clients', { timeout: 120_000 }, async (t) => {
      const seed = Number(process.env.FOREIGN_SEED ?? newSeed())
      t.diagnostic(`FOREIGN_SEED=${seed}`)
      const raw = new RawS3({ endpoint: server.url, ...keys, bucket }, 'us-east-1')
      try {
        const held = await checkForeignObjects({ raw, storage: tools.storage, seed, count: 25 })
        // Of s3s-fs the keys are paths of files, and few are both.
        assert.ok(held.length >= (name === 's3s-fs' ? 3 : 10), `it holds ${held.length} of the objects`)
      } finally {
        raw.close()
      }
    })

    test('each deviation is of a check that there is', () => {
      assert.deepEqual(
        Object.keys(deviations[name] ?? {}).filter((what) => !Object.hasOwn(contract, what)),
        [],
      )
    })
  })
}
