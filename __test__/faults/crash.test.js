'use strict'

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } = require('node:fs')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { after, before, describe, test } = require('node:test')
const { Lab, noise } = require('../support/lab.js')

const MIB = 1024 * 1024
const KILLS = 200
/** Of uploads that cannot be resumed. */
const PLAIN_KILLS = 60
const AT_ONCE = 2
const program = path.join(__dirname, '..', 'support', 'killed-upload.js')

describe('SIGKILL', { timeout: 600_000, skip: process.platform === 'win32' && 'Windows has no signals' }, () => {
  let lab
  let folder
  const body = noise(24 * MIB)
  const small = body.subarray(0, 2 * MIB)
  before(async () => {
    lab = await Lab.start()
    folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-crash-'))
    writeFileSync(path.join(folder, 'source.bin'), body)
    writeFileSync(path.join(folder, 'small.bin'), small)
    await slowDown()
  })
  after(async () => {
    await lab.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Enough for a kill to meet every phase. */
  const slowDown = () => lab.faults({ fault: 'slow', method: 'PUT', bytesPerSecond: 40 * MIB })

  /** Starts the upload of a key. Killed once it says that it is so many percent done; it may end before. */
  async function attempt(
    key,
    killAtPercent,
    { source = 'source.bin', checkpoint = path.join(folder, `${key}.json`) } = {},
  ) {
    const child = spawn(process.execPath, [program, path.join(folder, source), key, checkpoint], {
      env: { ...process.env, ...lab.environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    child.stdout.on('data', (text) => {
      said += text
      const percent = Number(said.slice(0, said.lastIndexOf('\n')).split('\n').at(-1))
      if (percent >= killAtPercent) child.kill('SIGKILL')
    })
    await new Promise((resolve) => child.once('close', resolve))
    const result = said.slice(said.lastIndexOf('\n') + 1)
    return { said: result && JSON.parse(result), checkpoint }
  }

  test(`${KILLS} times: what was said to be stored is, nothing is corrupt, nothing is left over`, async () => {
    let killed = 0
    let resumed = 0
    let count = 0
    const worker = async (seed) => {
      let state = seed
      while (killed < KILLS) {
        const key = `crash-${(count += 1)}.bin`
        for (;;) {
          state = (Math.imul(state, 1103515245) + 12345) >>> 0
          // Every fifth run may end by itself.
          const { said, checkpoint } = await attempt(key, state % 5 === 0 ? Infinity : (state >>> 8) % 101)
          const there = lab.stored(key)
          assert.ok(there === undefined || there.equals(body), 'whole or not there')
          if (said) {
            assert.ok(there, 'what was said to be stored is')
            assert.equal(existsSync(checkpoint), false)
            resumed += said.resumedParts
            rmSync(path.join(lab.folder, 'pictures', key))
            break
          }
          killed += 1
        }
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => worker(n + 1)))
    assert.ok(resumed > 0, 'parts of killed processes were used')
    // A kill between the storage's response and the checkpoint leaves an upload that only cleanup can find.
    await nothingIsLeft()
  })

  test(`${PLAIN_KILLS} times without a checkpoint, in one request and in parts: the same`, async () => {
    let killed = 0
    let count = 0
    const worker = async (seed) => {
      let state = seed
      while (killed < PLAIN_KILLS) {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0
        const key = `plain-${(count += 1)}.bin`
        const [source, whole] = count % 2 === 0 ? ['source.bin', body] : ['small.bin', small]
        const { said } = await attempt(key, (state >>> 8) % 101, { source, checkpoint: '' })
        const there = lab.stored(key)
        assert.ok(there === undefined || there.equals(whole), 'whole or not there')
        if (said) assert.ok(there, 'what was said to be stored is')
        else killed += 1
        rmSync(path.join(lab.folder, 'pictures', key), { force: true })
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => worker(n + 11)))
    await nothingIsLeft()
  })

  /** No upload in parts is open, once cleanup was there. */
  async function nothingIsLeft() {
    await lab.faults()
    await lab.storage().abortIncompleteUploads({ olderThan: new Date(Date.now() + 1000) })
    assert.deepEqual(
      readdirSync(lab.folder).filter((name) => name.startsWith('.upload')),
      [],
    )
    await slowDown()
  }
})
