'use strict'

const dns = require('node:dns/promises')
const http = require('node:http')
const https = require('node:https')
const net = require('node:net')
const tls = require('node:tls')
const { randomUUID } = require('node:crypto')
const { buffer } = require('node:stream/consumers')
const { StorageError } = require('../errors.js')
const { UsageError } = require('./usage.js')

const PATIENCE_MS = 10_000
/** S3 refuses signatures that are further off. */
const MAX_SKEW_MS = 15 * 60_000
const WORRYING_SKEW_MS = 60_000

/** What to do about a code, in plain words. */
const ADVICE = {
  ENOTFOUND: 'The host name does not exist. Is the account id in STORAGE_ENDPOINT right? Does this machine have DNS?',
  EAI_AGAIN: 'DNS does not answer. Is this machine online?',
  ECONNREFUSED: 'Nothing listens there. Is the port in STORAGE_ENDPOINT right?',
  ETIMEDOUT: 'Nothing answers. Does a firewall or a proxy block outgoing connections?',
  ECONNRESET: 'The connection is cut. Does a firewall or a proxy on the way inspect TLS?',
  EHOSTUNREACH: 'There is no way to the host from here. Check the network and VPN of this machine.',
  ENETUNREACH: 'There is no way to the network from here. Check the network and VPN of this machine.',
  EPROTO: 'The server refuses the TLS handshake: R2 does that for an account id that it does not know. Check STORAGE_ENDPOINT.',
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE:
    'The server refuses the TLS handshake: R2 does that for an account id that it does not know. Check STORAGE_ENDPOINT.',
  CERT_HAS_EXPIRED: "The server's certificate has expired, or this machine's clock is wrong.",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'The certificate is of an unknown authority. Give its PEM file as NODE_EXTRA_CA_CERTS.',
  SELF_SIGNED_CERT_IN_CHAIN: 'The certificate is of an unknown authority. Give its PEM file as NODE_EXTRA_CA_CERTS.',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'The certificate is signed by itself. Give its PEM file as NODE_EXTRA_CA_CERTS.',
  ERR_TLS_CERT_ALTNAME_INVALID: 'The certificate is for another host. Check STORAGE_ENDPOINT.',
  InvalidAccessKeyId: 'STORAGE_ACCESS_KEY is not known there. Make an R2 API token for this account, and use its Access Key ID.',
  Unauthorized: 'STORAGE_ACCESS_KEY is not known there. Make an R2 API token for this account, and use its Access Key ID.',
  NotSignedUp: 'STORAGE_ACCESS_KEY is not known there. Make an R2 API token for this account, and use its Access Key ID.',
  SignatureDoesNotMatch: 'STORAGE_SECRET_KEY does not belong to STORAGE_ACCESS_KEY. Copy both anew, without spaces or quotes.',
  AccessDenied: 'The token may not do this. Give it "Object Read & Write" for this bucket.',
  NoSuchBucket: 'There is no such bucket in this account and jurisdiction. Check STORAGE_BUCKET, and whether the endpoint needs .eu, .us or .fedramp.',
  RequestTimeTooSkewed: "This machine's clock is wrong. Let it be set by NTP.",
  PreconditionFailed: 'Something is there already.',
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
      if (net.isIP(host)) return (addresses = [host]), 'an address, not a name'
      addresses = (await within(dns.lookup(host, { all: true }))).map(({ address }) => address)
      return addresses.join(', ')
    },
    TCP: async () => connect(net.connect({ host: addresses[0], port: portOf(url) }), 'connect').then(() => `port ${portOf(url)}`),
    TLS: async () => {
      if (url.protocol === 'http:') return 'none: the endpoint is http'
      const servername = net.isIP(url.hostname) ? '' : url.hostname
      // Whom to trust is asked where it counts, with the first request: Node has roots of its own, which are not the system's.
      const socket = tls.connect({ host: url.hostname, port: portOf(url), servername, rejectUnauthorized: false })
      return connect(socket, 'secureConnect', () => `${socket.getProtocol()}, ${socket.getCipher().name}`)
    },
    clock: async () => clockSkew(url),
    'credentials and bucket': async () => {
      for await (const object of storage.list({ pageSize: 1, signal })) return `readable, holds ${JSON.stringify(object.key)} and more`
      return 'readable, empty'
    },
    write: async () => {
      const { attempts, location } = await storage.uploadFile({ key, body: probe, contentType: 'text/plain', signal })
      return `${location}${attempts > 1 ? `, after ${attempts} attempts` : ''}`
    },
    read: async () => {
      const read = await buffer((await storage.download({ key, signal })).body)
      if (!read.equals(probe)) throw new Error('the object that was read is not the one that was written')
      return 'the same bytes'
    },
    delete: async () => {
      await storage.delete({ key, signal })
      return 'the probe is gone'
    },
  }
  for (const [step, look] of Object.entries(steps)) {
    const started = performance.now()
    try {
      const found = await look()
      const ms = Math.round(performance.now() - started)
      const { text = found, warning } = typeof found === 'object' ? found : {}
      const mark = warning ? output.style('yellow', '!') : output.style('green', '✓')
      output.result({ step, ok: true, ms, found: text, ...(warning && { warning }) }, `${mark} ${step.padEnd(22)} ${`${ms} ms`.padStart(8)}  ${text}`)
      if (warning) output.note(`  ${warning}`)
    } catch (error) {
      if (signal.aborted) throw error
      const advice = adviceFor(error)
      const ms = Math.round(performance.now() - started)
      const problem = error.message || error.code
      output.result({ step, ok: false, ms, code: error.code, problem, advice }, `${output.style('red', '✗')} ${step.padEnd(22)} ${`${ms} ms`.padStart(8)}  ${problem}\n  ${advice}`)
      return 1
    }
  }
  output.note('All is well.')
  return 0
}

function adviceFor(error) {
  if (StorageError.isInstance(error) && error.category === 'input' && error.option) {
    return `Set it in the environment, in .env.local or in .env; see the error above for ${error.option}.`
  }
  return ADVICE[error.code] ?? ADVICE[error.errors?.[0]?.code] ?? 'The README has a section on troubleshooting.'
}

function portOf(url) {
  return Number(url.port || (url.protocol === 'https:' ? 443 : 80))
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

/** By the server's own clock, from an answer that needs no key. */
async function clockSkew(url) {
  const { request } = url.protocol === 'https:' ? https : http
  const call = request(url.origin, { method: 'HEAD', agent: false, rejectUnauthorized: false })
  const date = await within(
    new Promise((resolve, reject) => {
      call.once('response', (answer) => {
        answer.resume()
        resolve(answer.headers.date)
      })
      call.once('error', reject)
      call.end()
    }),
  ).finally(() => call.on('error', () => {}).destroy())
  if (!date) return 'the server does not tell its time'
  const skew = Date.now() - Date.parse(date)
  const seconds = Math.round(Math.abs(skew) / 1000)
  const text = seconds < 2 ? 'right' : `${seconds} s ${skew > 0 ? 'ahead' : 'behind'}`
  if (Math.abs(skew) > MAX_SKEW_MS) throw Object.assign(new Error(`the clock is ${text}`), { code: 'RequestTimeTooSkewed' })
  return Math.abs(skew) > WORRYING_SKEW_MS ? { text, warning: "Let this machine's clock be set by NTP: R2 refuses signatures that are 15 minutes off." } : text
}

function within(promise) {
  const late = Object.assign(new Error(`timeout: nothing came within ${PATIENCE_MS} ms`), { code: 'ETIMEDOUT' })
  let timer
  const limit = new Promise((_, reject) => (timer = setTimeout(reject, PATIENCE_MS, late)))
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer))
}

module.exports = { doctor }
