'use strict'

// Uploads that fail leave nothing behind. The same with ten thousand of each kind: `npm run task leaks`, whose report is
// in docs/reports/verification.md.

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { describe, test } = require('node:test')
const { ended } = require('../support/ended.js')
const { kinds } = require('../support/failing-uploads.js')
const { root } = require('../support/lab.js')
const { measure } = require('../support/leaks.js')

/** What a script prints, in a process of its own. */
async function numberFrom(script, options, ...args) {
  const child = spawn(process.execPath, [...options, '-e', script, ...args], { cwd: root })
  const { code, output } = await ended(child, 120_000)
  assert.equal(code, 0, output)
  return Number(output)
}

describe('leaks', { skip: process.platform !== 'linux' && 'descriptors and threads are counted in /proc' }, () => {
  test('a hundred uploads that fail, of each kind', async () => {
    const { calls, outcomes, leaks } = await measure(Object.keys(kinds), 100)
    assert.deepEqual(leaks, [])
    assert.equal(
      Object.values(outcomes).reduce((sum, times) => sum + times),
      calls,
    )
  })

  // An allocator may keep for a thread what others have freed of it, and files are read by many threads.
  test('memory that files were read into is used again', async () => {
    const script = `
      const { fromFile, newStorage } = require('./index.js')
      const file = fromFile(process.argv[1])
      // Nobody listens there.
      const storage = newStorage({ endpoint: 'http://127.0.0.1:1', bucket: 'leaks', accessKey: 'a', secretKey: 'b', retry: { maxAttempts: 1 }, logger: false })
      async function fail(calls) {
        const worker = async () => { while (calls-- > 0) await storage.uploadFile({ key: 'file.bin', body: file }).catch(() => {}) }
        await Promise.all(Array.from({ length: 32 }, worker))
        return process.memoryUsage.rss()
      }
      fail(1500).then(async (before) => console.log(await fail(3000) - before))`
    const folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-leaks-'))
    const file = path.join(folder, 'file.bin')
    writeFileSync(file, Buffer.alloc(64 * 1024, 7))
    try {
      const grown = await numberFrom(script, [], file)
      assert.ok(grown < 3000 * 16 * 1024, `3000 files of 64 KiB have left ${grown} bytes`)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  // What the young generation cannot let go costs every upload a copy into the old one, and full collections.
  test('what belonged to an upload is garbage for a minor collection', async () => {
    const script = `
      const { fromFile, newStorage } = require('./index.js')
      const storage = newStorage({ endpoint: 'http://127.0.0.1:1', bucket: 'leaks', accessKey: 'a', secretKey: 'b', retry: { maxAttempts: 1 }, logger: false })
      async function fail(calls) {
        const worker = async () => {
          while (calls-- > 0) {
            const held = new Array(100).fill(calls)
            await storage.uploadFile({ key: 'a', body: 'b', onRetry: () => held }).catch(() => {})
          }
        }
        await Promise.all(Array.from({ length: 32 }, worker))
        for (let round = 0; round < 3; round += 1) gc({ type: 'minor' })
        return process.memoryUsage().heapUsed
      }
      fail(2000).then(async (before) => console.log((await fail(2000)) - before))`
    // A heap that large has no full collection meanwhile.
    const grown = await numberFrom(script, ['--expose-gc', '--initial-old-space-size=1000'])
    assert.ok(grown < 2000 * 500, `2000 uploads have left ${grown} bytes`)
  })

  test('what is left behind on purpose is seen', async () => {
    const plants = {
      descriptor: /^descriptors: \d+ file/,
      timer: /^resources: \d+ Timeout/,
      memory: /^memory of JavaScript/,
      rejection: /^\d+ unhandled/,
      file: /^temporary files/,
    }
    const { leaks } = await measure(['bad input'], 500, { plants: Object.keys(plants), patienceMs: 0 })
    for (const [plant, reported] of Object.entries(plants))
      assert.ok(
        leaks.some((leak) => reported.test(leak)),
        `${plant}: ${leaks.join('; ')}`,
      )
  })
})
