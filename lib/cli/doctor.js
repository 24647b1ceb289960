'use strict'

const dns = require('node:dns/promises')
const http = require('node:http')
const https = require('node:https')
const net = require('node:net')
const tls = require('node:tls')
const { randomUUID } = require('node:crypto')
const { buffer } = require('node:stream/consumers')
const { adviceFor: remediationOf, meaningOf } = require('../observability/remediation.js')
const { StorageError } = require('../errors.js')
const { readPublicly } = require('./public-domain.js')
const { UsageError } = require('./usage.js')

const PATIENCE_MS = 10_000
/** S3 refuses signatures that are further off. */
const MAX_SKEW_MS = 15 * 60_000
const WORRYING_SKEW_MS = 60_000

const SPEAKS_HTTP =
  'The server speaks http on this port, not https. Write http in STORAGE_ENDPOINT (a local server), or the port that speaks TLS.'
const SPEAKS_TLS = 'The server speaks https on this port. Write https in STORAGE_ENDPOINT.'

const NO_DOMAIN = {
  text: 'none',
  warning:
    'STORAGE_DOMAIN is not set: the url of results is that of the endpoint, which browsers cannot read. Connect a domain to the bucket (R2, bucket, Settings).',
}

/** Looks at every step of an upload in turn, and stops at the first that fails: what comes after it cannot work. */
async function doctor({ operands, output, open, config, signal }) {
  if (operands.length > 0) throw new UsageError('doctor takes nothing')
  const endpoint = config.endpoint ?? process.env.STORAGE_ENDPOINT
  const key = `reliable-r2-doctor/${randomUUID()}.txt`
  const probe = Buffer.from('A probe of `reliable-r2 doctor`; it can be removed.\n')
  let storage
  let url
  let addresses
  let written
  const steps = {
    configuration: async () => {
      storage = open()
      // Sends nothing, and needs everything that is needed to send.
      await storage.presign({ key })
      url = new URL(endpoint)
      return `${url.origin}, bucket ${config.bucket ?? process.env.STORAGE_BUCKET ?? 'of the endpoint'}`
    },
    DNS: async () => {
      const host = url.hostname.replace(/^\[|\]$/g, '')
      if (net.isIP(host)) return ((addresses = [host]), 'an address, not a name')
      addresses = (await within(dns.lookup(host, { all: true }))).map(({ address }) => address)
      return addresses.join(', ')
    },
    TCP: async () =>
      connect(net.connect({ host: addresses[0], port: portOf(url) }), 'connect').then(() => `port ${portOf(url)}`),
    TLS: async () => {
      if (url.protocol === 'http:') {
        if (!(await speaksHttp(url)) && (await speaksTls(url)))
          throw Object.assign(new Error('the endpoint is http, and the server speaks TLS'), { advice: SPEAKS_TLS })
        return 'none: the endpoint is http'
      }
      const servername = net.isIP(url.hostname) ? '' : url.hostname
      // Whom to trust is asked where it counts, with the first request: Node has roots of its own, which are not the system's.
      const socket = tls.connect({ host: url.hostname, port: portOf(url), servername, rejectUnauthorized: false })
      try {
        return await connect(socket, 'secureConnect', () => `${socket.getProtocol()}, ${socket.getCipher().name}`)
      } catch (error) {
        const plain = new URL(`http://${url.hostname}:${portOf(url)}`)
        throw (await speaksHttp(plain)) ? Object.assign(error, { advice: SPEAKS_HTTP }) : error
      }
    },
    clock: async () => clockSkew(url),
    'credentials and bucket': async () => {
      for await (const object of storage.list({ pageSize: 1, signal }))
        return `readable, holds ${JSON.stringify(object.key)} and more`
      return 'readable, empty'
    },
    write: async () => {
      // What reads it by the public domain must not leave it in a cache.
      written = await storage.uploadFile({
        key,
        body: probe,
        contentType: 'text/plain',
        cacheControl: 'no-store',
        signal,
      })
      const { attempts, location } = written
      return `${location}${attempts > 1 ? `, after ${attempts} attempts` : ''}`
    },
    read: async () => {
      const read = await buffer((await storage.download({ key, signal })).body)
      if (!read.equals(probe)) {
        const advice = 'Something on the way changes bodies (a proxy, a virus scanner). Exclude the storage from it.'
        throw Object.assign(new Error('the object that was read is not the one that was written'), { advice })
      }
      return 'the same bytes'
    },
    'public domain': async () => {
      const address = storage.publicUrl({ key })
      if (address === written.location) return NO_DOMAIN
      return readPublicly(address, probe)
    },
    delete: async () => {
      await storage.delete({ key, signal })
      written = undefined
      return 'the probe is gone'
    },
  }
  const removeProbe = async () => {
    if (written) await storage.delete({ key }).catch(() => output.note(`  The probe could not be removed: ${key}`))
  }
  for (const [step, look] of Object.entries(steps)) {
    const started = performance.now()
    try {
      const found = await look()
      const ms = Math.round(performance.now() - started)
      const { text = found, warning } = typeof found === 'object' ? found : {}
      const mark = warning ? output.style('yellow', '!') : output.style('green', '✓')
      output.result(
        { step, ok: true, ms, found: text, ...(warning && { warning }) },
        `${mark} ${step.padEnd(22)} ${`${ms} ms`.padStart(8)}  ${text}`,
      )
      if (warning) output.note(`  ${warning}`)
    } catch (error) {
      await removeProbe()
      if (signal.aborted) throw error
      const advice = adviceFor(error)
      const ms = Math.round(performance.now() - started)
      const problem = error.message || error.code
      output.result(
        { step, ok: false, ms, code: error.code, problem, advice },
        `${output.style('red', '✗')} ${step.padEnd(22)} ${`${ms} ms`.padStart(8)}  ${problem}\n  ${advice}`,
      )
      return 1
    }
  }
  output.note('All is well.')
  return 0
}

/** The next step, whatever failed. */
function adviceFor(error) {
  if (error.advice) return error.advice
  if (error instanceof StorageError && error.category === 'input' && error.option) {
    return `Set it in the environment, in .env.local or in .env; see the error above for ${error.option}.`
  }
  const { category, status } = error
  const code = [error.code, error.errors?.[0]?.code].find(meaningOf)
  if (code || error instanceof StorageError) {
    const { means, steps } = remediationOf({ code, category, status })
    return `${means} ${steps[0]}`
  }
  return 'Compare STORAGE_ENDPOINT with the S3 API address of the bucket (R2, bucket, Settings), and try again.'
}

function portOf(url) {
  return Number(url.port || (url.protocol === 'https:' ? 443 : 80))
}

/** A server that speaks TLS ends a plain request with an alert, or responds with 400. */
async function speaksHttp(url) {
  try {
    return (await headOf(url)).statusCode !== 400
  } catch {
    return false
  }
}

async function speaksTls(url) {
  try {
    return await connect(
      tls.connect({ host: url.hostname, port: portOf(url), rejectUnauthorized: false }),
      'secureConnect',
      () => true,
    )
  } catch {
    return false
  }
}

async function connect(socket, event, look = () => undefined) {
  try {
    return await within(
      new Promise((resolve, reject) => {
        socket.once(event, () => resolve(look()))
        socket.once('error', reject)
      }),
    )
  } finally {
    socket.destroy()
  }
}

/** The server's response to a request that needs no key. */
async function headOf(url) {
  const { request } = url.protocol === 'https:' ? https : http
  const call = request(url.origin, { method: 'HEAD', agent: false, rejectUnauthorized: false })
  return within(
    new Promise((resolve, reject) => {
      call.once('response', (response) => {
        response.resume()
        resolve(response)
      })
      call.once('error', reject)
      call.end()
    }),
  ).finally(() => call.on('error', () => {}).destroy())
}

/** By the server's own clock. */
async function clockSkew(url) {
  const { date } = (await headOf(url)).headers
  if (!date) return 'the server sends no time'
  const skew = Date.now() - Date.parse(date)
  const seconds = Math.round(Math.abs(skew) / 1000)
  const text = seconds < 2 ? 'right' : `${seconds} s ${skew > 0 ? 'ahead' : 'behind'}`
  if (Math.abs(skew) > MAX_SKEW_MS)
    throw Object.assign(new Error(`the clock is ${text}`), { code: 'RequestTimeTooSkewed' })
  return Math.abs(skew) > WORRYING_SKEW_MS
    ? { text, warning: "Let this machine's clock be set by NTP: R2 refuses signatures that are 15 minutes off." }
    : text
}

function within(promise) {
  const late = Object.assign(new Error(`timeout: nothing came within ${PATIENCE_MS} ms`), { code: 'ETIMEDOUT' })
  let timer
  const limit = new Promise((_, reject) => (timer = setTimeout(reject, PATIENCE_MS, late)))
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer))
}

module.exports = { doctor }
