'use strict'

// What a process is owed: it ends by itself, and a worker that ends takes nobody with it.

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } = require('node:fs')
const { getPriority, tmpdir } = require('node:os')
const { after, before, test } = require('node:test')
const path = require('node:path')
const { ended } = require('../support/ended.js')
const { Lab, root } = require('../support/lab.js')

let lab
before(async () => {
  lab = await Lab.start()
})
after(() => lab.stop())

/** Runs a script in a process of its own; gives how it ended and what it printed. */
function run(script, environment, options = []) {
  const child = spawn(process.execPath, [...options, '-e', script], {
    cwd: root,
    env: { ...process.env, ...lab.environment, ...environment },
  })
  return ended(child, 120_000)
}

test('a process that has uploaded ends by itself', async () => {
  await lab.faults()
  const script = `
    const { uploadFile } = require('./index.js')
    uploadFile({ body: 'hello', key: 'process.txt' }).then((result) => console.log(result.etag))`
  const { code, signal, output } = await run(script)
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, output)
  assert.match(output, /5d41402abc4b2a76b9719d911017c592/)
})

test('a storage that nobody holds settles its upload first and is collected then', async () => {
  await lab.faults({ fault: 'slow', bytesPerSecond: 200_000, keyContains: 'unheld' })
  const script = `
    const { newStorage } = require('./index.js')
    const collecting = setInterval(gc, 20)
    const collected = new FinalizationRegistry(() => clearInterval(collecting))
    function upload() {
      const storage = newStorage()
      collected.register(storage)
      return storage.uploadFile({ body: Buffer.alloc(100_000), key: 'unheld.bin' })
    }
    upload().then(({ size }) => console.log('stored', size))
    process.on('exit', () => console.log('ended'))`
  const { code, output } = await run(script, {}, ['--expose-gc'])
  assert.equal(code, 0, output)
  assert.equal(output, 'stored 100000\nended\n')
})

test('process.exit in the middle of an upload ends the process, with its code', async () => {
  await lab.faults({ fault: 'hang' })
  const script = `
    const { uploadFile } = require('./index.js')
    uploadFile({ body: 'hello', key: 'exit.txt' })
    setTimeout(() => process.exit(7), 200)`
  const { code, signal, output } = await run(script)
  assert.deepEqual({ code, signal }, { code: 7, signal: null }, output)
})

test('200 workers that end in the middle of uploads and retries crash nothing', async () => {
  await lab.faults(
    { fault: 'slow', bytesPerSecond: 200_000, method: 'PUT', keyContains: 'slow' },
    { fault: 'reset', keyContains: 'reset' },
  )
  const worker = path.join(__dirname, '..', 'support', 'uploading-worker.js')
  const script = `
    const { Worker } = require('node:worker_threads')
    const { uploadFile } = require('./index.js')
    async function round(n) {
      const worker = new Worker(${JSON.stringify(worker)})
      await new Promise((resolve, reject) => { worker.once('message', resolve); worker.once('error', reject) })
      await new Promise((resolve) => setTimeout(resolve, n % 15))
      await worker.terminate()
    }
    async function main() {
      for (let n = 0; n < 200; n += 4) await Promise.all([n, n + 1, n + 2, n + 3].map(round))
      const { attempts } = await uploadFile({ body: 'alive', key: 'alive.txt' })
      console.log('alive after', attempts)
    }
    main()`
  const { code, signal, output } = await run(script, { NODE_ENV: 'production' })
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, output)
  assert.match(output, /alive after 1/)
  assert.equal(String(lab.stored('alive.txt')), 'alive')
})

const onLinux = { skip: process.platform !== 'linux' && 'threads and descriptors are counted in /proc' }

test(
  'there is no thread before the first call, nor after the last environment, and large bodies give way to JavaScript',
  onLinux,
  async () => {
    await lab.faults()
    const script = `
    const { readdirSync, readFileSync } = require('node:fs')
    const { Worker } = require('node:worker_threads')
    // The name in parentheses, then the state and 15 numbers, then how nice it is.
    const stat = /\\((.*)\\)(?: \\S+){16} (\\S+)/
    const read = (task) => stat.exec(readFileSync('/proc/self/task/' + task + '/stat', 'utf8')).slice(1).join(' ')
    const threads = () => readdirSync('/proc/self/task').map(read).filter((thread) => thread.startsWith('r2-'))
    const inWorker = (work) => new Promise((resolve, reject) => {
      let during
      const script = 'setInterval(() => {}, 1000); const { uploadFile } = require("./index.js");' + work
      const worker = new Worker(script, { eval: true })
        .on('message', () => { during = threads(); worker.terminate() })
        .on('error', reject)
        .on('exit', () => resolve({ during, after: threads() }))
    })
    const reported = '.then(() => require("node:worker_threads").parentPort.postMessage("done"))'
    async function main() {
      const idle = await inWorker('Promise.resolve()' + reported)
      const small = await inWorker('uploadFile({ body: "hello", key: "small.txt" })' + reported)
      const large = await inWorker('uploadFile({ body: Buffer.alloc(100_000), key: "large.bin" })' + reported)
      console.log(JSON.stringify({ idle, small, large }))
    }
    main()`
    const { code, output } = await run(script)
    assert.equal(code, 0, output)
    const { idle, small, large } = JSON.parse(output)
    const ours = getPriority()
    assert.deepEqual(idle, { during: [], after: [] })
    assert.ok(
      small.during.length > 0 && small.during.every((thread) => thread === `r2-small ${ours}`),
      `${small.during}`,
    )
    assert.ok(
      large.during.length > 0 && large.during.every((thread) => thread === `r2-large ${Math.max(10, ours)}`),
      `${large.during}`,
    )
    assert.deepEqual([...small.after, ...large.after], [])
    assert.deepEqual([lab.stored('small.txt').length, lab.stored('large.bin').length], [5, 100_000])
  },
)

test(
  'storages that nobody holds are collected, though the bodies of their downloads were never read',
  onLinux,
  async () => {
    await lab.faults()
    const script = `
    const { readdirSync, readlinkSync } = require('node:fs')
    const { newStorage } = require('./index.js')
    async function abandon() {
      const storage = newStorage()
      // At once, so that there is a connection for each.
      await Promise.all(['unread.bin', 'b.bin', 'c.bin'].map((key) => storage.uploadFile({ body: Buffer.alloc(4_000_000), key })))
      await storage.download({ key: 'unread.bin' })
    }
    const isSocket = (descriptor) => {
      try { return readlinkSync('/proc/self/fd/' + descriptor).startsWith('socket:') } catch { return false }
    }
    // The addon of a storage that lives keeps its connections for longer than this takes.
    async function socketsLeft() {
      for (let round = 0; round < 20; round += 1) {
        gc()
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      return readdirSync('/proc/self/fd').filter(isSocket).length
    }
    async function main() {
      await abandon()
      const before = await socketsLeft()
      for (let storages = 0; storages < 10; storages += 1) await abandon()
      console.log(await socketsLeft() - before)
    }
    main()`
    const { code, output } = await run(script, {}, ['--expose-gc'])
    assert.equal(code, 0, output)
    assert.ok(Number(output) < 5, `10 of them have left ${output} sockets`)
  },
)

test('calls that are aborted or closed in any phase leave nothing behind', onLinux, async () => {
  await lab.faults()
  const folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-leaks-'))
  const file = path.join(folder, 'file.bin')
  writeFileSync(file, Buffer.alloc(11 * 1024 * 1024, 7))
  // Of its own: other tests make files in the common one meanwhile.
  const temporary = path.join(folder, 'temporary')
  mkdirSync(temporary)
  const program = JSON.stringify(path.join(root, '__test__', 'support', 'leaking-program.js'))
  const script = `
    process.argv.splice(1, 0, ${program}, ${JSON.stringify(lab.control)}, ${JSON.stringify(file)}, ${JSON.stringify(`${file}.json`)})
    require(${program})`
  const { code, output } = await run(script, { PUBLIC_URL: lab.public, TMPDIR: temporary })
  assert.equal(code, 0, output)
  const { before, after, uploads, unhandled } = JSON.parse(output.trim().split('\n').at(-1))
  assert.ok(after <= before, `${after} descriptors are open, ${before} were before`)
  assert.deepEqual([uploads, unhandled], [0, []])
  assert.deepEqual(readdirSync(temporary), [], 'no temporary file')
  rmSync(folder, { recursive: true, force: true })
})
