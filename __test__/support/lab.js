'use strict'

const { spawn } = require('node:child_process')
const { existsSync, mkdtempSync, readFileSync, rmSync } = require('node:fs')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { createInterface } = require('node:readline')
const { newStorage } = require('../../index.js')

const root = path.join(__dirname, '..', '..')
const exe = process.platform === 'win32' ? '.exe' : ''
const program = ['debug', 'release']
  .map((profile) => path.join(root, 'target', profile, `local-r2${exe}`))
  .find(existsSync)

/** Short waits, so that four attempts take less than a second. */
const quick = { maxAttempts: 4, initialDelayMs: 10, maxDelayMs: 50, timeout: 2000 }
const keys = { accessKey: 'local', secretKey: 'CANARYSECRET' }

/** A local R2 behind the fault proxy, in a process and a folder of its own. */
class Lab {
  static async start(...more) {
    if (!program) throw new Error('local-r2 is not built: run `cargo build -p reliable-r2-lab`')
    const folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-'))
    const options = ['--data', folder, '--access-key', keys.accessKey, '--secret-key', keys.secretKey]
    const child = spawn(program, [...options, '--bucket', 'pictures', '--exit-with-stdin', ...more], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const [line] = await Promise.race([
      new Promise((resolve) => createInterface({ input: child.stdout }).once('line', (text) => resolve([text]))),
      new Promise((_, reject) => child.once('exit', (code) => reject(new Error(`local-r2 ended with ${code}`)))),
    ])
    return new Lab(child, folder, JSON.parse(line))
  }

  constructor(child, folder, ready) {
    Object.assign(this, { child, folder, ...ready })
  }

  async stop() {
    const ended = new Promise((resolve) => this.child.once('exit', resolve))
    this.child.kill()
    await ended
    rmSync(this.folder, { recursive: true, force: true })
  }

  storage(options) {
    return newStorage({ endpoint: this.proxy, ...keys, bucket: 'pictures', retry: quick, logger: false, ...options })
  }

  /** The same for a program of its own. */
  get environment() {
    return {
      STORAGE_ENDPOINT: this.proxy,
      STORAGE_TLS_ENDPOINT: this.tlsProxy,
      STORAGE_BUCKET: 'pictures',
      STORAGE_ACCESS_KEY: keys.accessKey,
      STORAGE_SECRET_KEY: keys.secretKey,
    }
  }

  overTls(options) {
    return this.storage({ endpoint: this.tlsProxy, caCertificates: [this.caCertificate], ...options })
  }

  async faults(...faults) {
    const response = await fetch(`${this.control}/faults`, { method: 'PUT', body: JSON.stringify({ faults }) })
    if (!response.ok) throw new Error(await response.text())
    await fetch(`${this.control}/events`, { method: 'DELETE' })
  }

  /** What the proxy saw, in order. */
  async events() {
    return (await (await fetch(`${this.control}/events`)).json()).events
  }

  /** What it did. */
  async actions() {
    return (await this.events()).map((event) => event.action)
  }

  /** What the server holds under a key. */
  stored(key) {
    try {
      return readFileSync(path.join(this.folder, 'pictures', key))
    } catch {
      return undefined
    }
  }
}

/** Bytes that are no file of any kind, the same for the same size. */
function noise(size) {
  const bytes = Buffer.alloc(size)
  let state = size ^ 0x9e3779b9
  for (let at = 0; at < size; at += 1) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 1
    bytes[at] = state >>> 24
  }
  return bytes
}

module.exports = { Lab, keys, noise, quick, root }
