'use strict'

const assert = require('node:assert/strict')
const { createHash } = require('node:crypto')
const { mkdtempSync, rmSync, writeFileSync, mkdirSync } = require('node:fs')
const { createServer } = require('node:http')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { after, afterEach, before, describe, test } = require('node:test')
const { Lab, noise } = require('../support/lab.js')
const { startLocalR2 } = require('../../lib/testing/index.js')
const { commandLine } = require('./support/cli.js')

/** A store that responds only when `width` uploads are waiting at once; `most` is how many there ever were. */
async function barrier(width) {
  const waiting = []
  let most = 0
  const server = createServer(async (request, response) => {
    const hash = createHash('md5')
    for await (const chunk of request) hash.update(chunk)
    waiting.push(() => response.setHeader('ETag', `"${hash.digest('hex')}"`).end())
    most = Math.max(most, waiting.length)
    if (waiting.length === width) for (const respond of waiting.splice(0)) respond()
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = () => {
    server.close()
    server.closeAllConnections()
  }
  return { url: `http://127.0.0.1:${server.address().port}`, most: () => most, close }
}

describe('commands with several items', { timeout: 120_000 }, () => {
  let lab
  let folder
  let run
  before(async () => {
    lab = await Lab.start()
    folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-cli-'))
    run = commandLine(folder, lab.environment)
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) writeFileSync(path.join(folder, `${name}.png`), noise(1000))
    mkdirSync(path.join(folder, 'folder.png'))
  })
  after(async () => {
    await lab.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  afterEach(() => lab.faults())

  test('put continues after a failure, in the order of the files, and ends with a summary', async () => {
    const { code, out, stderr } = await run(['put', 'a.png', 'missing.png', 'folder.png', 'b.png', 'many/'])
    assert.equal(code, 1)
    assert.match(out, /many\/a\.png .*\n.*many\/b\.png [^\n]*\n$/)
    assert.match(
      stderr,
      /^reliable-r2: .*missing\.png.*\nreliable-r2: .*folder\.png.*\n2 of 4 stored, 2 failed: missing\.png, folder\.png\n$/,
    )
    assert.ok(lab.stored('many/a.png') && lab.stored('many/b.png'))
  })

  test('put without a prefix continues after a missing file, unless that is the last and may be meant as a prefix', async () => {
    const { code, stderr } = await run(['put', 'c.png', 'missing.png', 'd.png'])
    assert.equal(code, 1)
    assert.match(stderr, /2 of 3 stored, 1 failed: missing\.png\n$/)
    assert.ok(lab.stored('c.png') && lab.stored('d.png'))
    assert.equal((await run(['put', 'e.png', 'f.png', 'prefix'])).code, 2)
    assert.equal(lab.stored('e.png'), undefined)
  })

  test('put with --json has the failures and the summary on standard error', async () => {
    const { code, out, stderr } = await run(['put', 'a.png', 'missing.png', 'json/', '--json'])
    const lines = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(
      [code, JSON.parse(out).key, lines[0].item, lines[1]],
      [1, 'json/a.png', 'missing.png', { summary: { stored: 1, failed: 1 } }],
    )
  })

  test('put stores several at a time, no more than asked', async () => {
    for (const concurrency of [1, 3]) {
      const store = await barrier(concurrency)
      const env = { ...lab.environment, STORAGE_ENDPOINT: store.url }
      const files = ['a.png', 'b.png', 'c.png', 'd.png', 'e.png', 'f.png', 'rows/']
      const { code, stderr } = await run(['put', ...files, '--concurrency', String(concurrency)], { env })
      store.close()
      assert.deepEqual([code, store.most()], [0, concurrency], stderr)
    }
    for (const wrong of ['0', '65', 'x', '1.5'])
      assert.equal((await run(['put', 'a.png', '--concurrency', wrong])).code, 2)
  })

  test('put exits with 75 only where another try may help all that failed', async () => {
    await lab.faults({ fault: 'refuse' })
    assert.equal((await run(['put', 'a.png', 'b.png', 'x/', '--retry', 'fast', '--quiet'])).code, 75)
    assert.equal((await run(['put', 'a.png', 'missing.png', 'x/', '--retry', 'fast', '--quiet'])).code, 1)
  })

  test('a missing variable is reported once, for all files', async () => {
    const { code, stderr } = await run(['put', 'a.png', 'b.png', 'c.png', 'x/'], {
      env: { ...lab.environment, STORAGE_SECRET_KEY: '' },
    })
    assert.equal(code, 2)
    assert.equal(stderr.match(/STORAGE_SECRET_KEY/g).length, 1, stderr)
  })

  test('an interrupt ends all of them', {
    skip: process.platform === 'win32' && 'Windows has no signals',
  }, async () => {
    await lab.faults({ fault: 'hang', method: 'PUT' })
    const { code, stderr } = await run(['put', 'a.png', 'b.png', 'c.png', 'i/'], { signalAfterMs: 1500 })
    assert.equal(code, 130, stderr)
    assert.match(stderr, /reliable-r2: interrupted\n$/)
  })

  test('rm removes what is there, says what is not, and exits with 1', async () => {
    await run(['put', 'a.png', 'b.png', 'rm/'])
    const { code, out, stderr } = await run(['rm', 'rm/a.png', 'rm/none.png', 'rm/b.png'])
    assert.equal(code, 1)
    assert.equal(out, 'removed rm/a.png\nremoved rm/b.png\n')
    assert.match(stderr, /there is no object rm\/none\.png.*\n2 of 3 removed, 1 failed: rm\/none\.png\n$/)
    assert.equal(lab.stored('rm/a.png'), undefined)
  })

  test('rm of a missing key fails, with --force it does not', async () => {
    const { code, out, stderr } = await run(['rm', 'nothing.png'])
    assert.deepEqual([code, out], [1, ''])
    assert.match(stderr, /there is no object nothing\.png/)
    const forced = await run(['rm', '--force', 'nothing.png'])
    assert.deepEqual([forced.code, forced.out, forced.stderr], [0, '', ''])
    const { stderr: json } = await run(['rm', 'nothing.png', '--json'])
    assert.deepEqual([JSON.parse(json).error.code, JSON.parse(json).error.key], ['NotFound', 'nothing.png'])
  })

  test('rm of a prefix or a pattern removes nothing and says why', async (t) => {
    // The test server's server keeps objects in folders, and fails on their names.
    const r2 = await startLocalR2()
    t.after(() => r2.stop())
    const env = { ...r2.env }
    await run(['put', 'a.png', 'b.png', 'tree/'], { env })
    const operands = [
      ['tree/', /tree\/ is a prefix and no object/],
      ['tree', /rm --recursive tree\//],
      ['tree/*.png', /expands no pattern/],
      ['tree/[ab].png', /expands no pattern/],
    ]
    for (const [operand, reason] of operands) {
      const { code, out, stderr } = await run(['rm', operand], { env })
      assert.deepEqual([code, out], [1, ''], operand)
      assert.match(stderr, reason)
    }
    assert.deepEqual([...r2.objects().keys()].sort(), ['tree/a.png', 'tree/b.png'])
  })

  test('rm takes a key with the letters of a pattern as it is', async () => {
    await run(['put', 'a.png', 'odd/*.png'])
    await run(['put', 'b.png', 'odd/b.png'])
    assert.equal((await run(['rm', 'odd/*.png'])).out, 'removed odd/*.png\n')
    assert.ok(lab.stored('odd/b.png'))
  })

  test('rm --recursive removes all below a prefix, and nothing beside it', async () => {
    await run(['put', 'a.png', 'b.png', 'c.png', 'deep/er/'])
    await run(['put', 'a.png', 'deep/erased.png'])
    const { code, stderr } = await run(['rm', '-r', 'deep/er/'])
    assert.equal(code, 0, stderr)
    assert.match(stderr, /3 of 3 removed/)
    assert.ok(lab.stored('deep/erased.png'))
    assert.equal((await run(['rm', '-r', 'deep/er/'])).code, 1, 'there is nothing left')
    for (const wrong of ['deep/er', '']) assert.equal((await run(['rm', '-r', wrong])).code, 2)
  })
})
