'use strict'

// A local R2 for tests: an S3 server in memory, whose requests meet faults on command.

const { once } = require('node:events')
const { createServer } = require('node:http')
const { Refusal, refusalResponse } = require('./responses.js')
const { Bucket, CONDITIONS } = require('./bucket.js')
const { checkBody } = require('./checksums.js')
const { isChunked, unchunk } = require('./chunked.js')
const { Exchange } = require('./exchange.js')
const { FaultPlan } = require('./rules.js')
const { authenticate, checkPayload } = require('./signature.js')
const { operationOf } = require('./operations.js')

const DEFAULTS = {
  bucket: 'pictures',
  buckets: [],
  accessKey: 'local',
  secretKey: 'local-secret',
  host: '127.0.0.1',
  port: 0,
  conditions: 'r2',
}
const BUCKET_NAME = /^(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
const MAX_KEY_BYTES = 1024
/** Of a request: 8 KiB of metadata fit, and headers of several KiB. Node's default is 16 KiB. */
const MAX_HEAD_BYTES = 64 * 1024

class LocalR2 {
  #options
  #buckets
  #plan = new FaultPlan()
  #events = []
  #started = performance.now()
  #connections = 0
  /** By socket: its number, and how many requests it has had. */
  #sockets = new WeakMap()
  #server = createServer({ requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 0, maxHeaderSize: MAX_HEAD_BYTES })

  constructor(options) {
    this.#options = options
    this.#buckets = new Map([options.bucket, ...options.buckets].map((name) => [name, new Bucket(options.conditions)]))
    // Before the server's own listener, which then finds a connection that is gone.
    this.#server.prependListener('connection', (socket) => this.#connected(socket))
    for (const name of ['request', 'checkContinue']) {
      this.#server.on(name, (request, response) => void this.#survive(request, response, name === 'checkContinue'))
    }
  }

  async listen() {
    const { host, port } = this.#options
    this.#server.listen({ __proto__: null, host, port })
    await once(this.#server, 'listening', { __proto__: null })
    const { address, family, port: bound } = this.#server.address()
    this.url = `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`
  }

  get config() {
    const { accessKey, secretKey, bucket } = this.#options
    return { endpoint: this.url, region: 'auto', accessKey, secretKey, bucket }
  }

  get env() {
    const { endpoint, region, accessKey, secretKey, bucket } = this.config
    return {
      STORAGE_ENDPOINT: endpoint,
      STORAGE_REGION: region,
      STORAGE_ACCESS_KEY: accessKey,
      STORAGE_SECRET_KEY: secretKey,
      STORAGE_BUCKET: bucket,
    }
  }

  faults(rules) {
    this.#plan.set(rules)
    // What only new connections meet would else not be met by a client that has one.
    if (this.#plan.meetsConnections) this.#server.closeIdleConnections()
  }

  events() {
    return this.#events.map((event) => ({ ...event }))
  }

  objects(bucket = this.#options.bucket) {
    // Without the identity that our own writes carry: what a caller gave is what a test compares.
    return new Map([...this.#bucket(bucket).objects].map(([key, { identity, ...object }]) => [key, object]))
  }

  uploads(bucket = this.#options.bucket) {
    return [...this.#bucket(bucket).uploads.values()].map(({ id, key, initiated, parts }) => ({
      uploadId: id,
      key,
      initiated,
      parts: parts.size,
    }))
  }

  reset() {
    this.#plan.set([])
    this.#events = []
    for (const bucket of this.#buckets.values()) {
      bucket.objects.clear()
      bucket.uploads.clear()
    }
  }

  async stop() {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close', { __proto__: null })
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  #bucket(name) {
    const bucket = this.#buckets.get(name)
    if (!bucket) throw new Refusal('NoSuchBucket', 'The specified bucket does not exist.')
    return bucket
  }

  #report(facts) {
    const event = { seq: this.#events.length + 1, atMs: Math.round(performance.now() - this.#started), ...facts }
    this.#events.push(event)
    return event
  }

  #connected(socket) {
    const number = (this.#connections += 1)
    this.#sockets.set(socket, { number, requests: 0 })
    socket.setNoDelay(true)
    // A connection that ends badly is what tests are about.
    socket.on('error', () => {})
    const fault = this.#plan.forConnection()
    if (!fault) return
    this.#report({
      connection: number,
      request: null,
      method: null,
      path: null,
      key: null,
      action: fault.fault,
      status: null,
      bodyBytes: 0,
    })
    socket.resetAndDestroy()
  }

  /** Whatever a request holds: it may fail, the process of the test may not. */
  async #survive(request, response, expectsContinue) {
    for (const stream of [request, response]) stream.on('error', () => {})
    try {
      await this.#serve(request, response, expectsContinue)
    } catch (error) {
      if (response.headersSent || request.socket.destroyed) return request.socket.destroy()
      const refusal = { status: 500, code: 'InternalError', message: `This server failed: ${error.message}` }
      const { status, headers, body } = refusalResponse(refusal)
      response.writeHead(status, { ...headers, connection: 'close' }).end(body)
    }
  }

  async #serve(request, response, expectsContinue) {
    const connection = this.#sockets.get(request.socket)
    connection.requests += 1
    const asked = read(request)
    const fault = this.#plan.forRequest(asked.method, asked.key)
    const event = this.#report({
      connection: connection.number,
      request: connection.requests,
      method: asked.method,
      path: request.url.split('?', 1)[0],
      key: asked.key,
      action: fault?.fault ?? 'forward',
      status: null,
      bodyBytes: 0,
    })
    const exchange = new Exchange(request, response, event)
    if (expectsContinue && fault?.fault !== 'earlyStatus') response.writeContinue()
    if (fault && (await exchange.meet(fault))) return
    const body = await exchange.read(Infinity, fault?.fault === 'slow' ? fault.bytesPerSecond : Infinity)
    if (fault?.fault === 'corrupt' && body?.length > 0) body[body.length >> 1] ^= 1
    // Else the client left in the middle of its request, and nothing is stored.
    if (body) await exchange.respondUnder(fault, this.#respond(asked, body))
  }

  #respond(asked, raw) {
    try {
      if (asked.malformed) throw new Refusal('InvalidObjectName', 'The path is not valid UTF-8.')
      const claim = authenticate(asked, this.#options)
      const body = this.#body(claim, asked, raw)
      const bucket = this.#bucket(asked.name)
      if (Buffer.byteLength(asked.key) > MAX_KEY_BYTES)
        throw new Refusal('InvalidObjectName', 'The key is longer than 1024 bytes.')
      return operationOf(asked)({ ...asked, bucket, body })
    } catch (error) {
      if (error instanceof Refusal) return refusalResponse(error)
      throw error
    }
  }

  #body(claim, asked, raw) {
    if (!isChunked(claim)) {
      checkPayload(claim, raw)
      checkBody(asked.headers, raw)
      return raw
    }
    const { body, trailers } = unchunk(claim, raw)
    checkBody({ ...asked.headers, ...trailers }, body)
    return body
  }
}

/** What a request asks for. Buckets are the first segment of the path. */
function read({ method, url, headers }) {
  const [rawPath, ...rest] = url.split('?')
  // `+` is a plus in S3's queries, whatever forms make of it.
  const query = new URLSearchParams(rest.join('?').replaceAll('+', '%2B'))
  let path = rawPath
  let malformed = false
  try {
    path = decodeURIComponent(rawPath)
  } catch {
    malformed = true
  }
  const [, name = '', ...key] = path.split('/')
  return { method, path, query, headers, name, key: key.join('/'), malformed }
}

async function startLocalR2(options = {}) {
  const wrong = Object.keys(options).find((name) => !Object.hasOwn(DEFAULTS, name))
  if (wrong !== undefined)
    throw new TypeError(`startLocalR2 has no option ${wrong}; it has ${Object.keys(DEFAULTS).join(', ')}`)
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const complete = { ...DEFAULTS, ...given }
  const unsound = [complete.bucket, ...complete.buckets].find((name) => !BUCKET_NAME.test(name))
  if (unsound !== undefined) throw new TypeError('a bucket has 3 to 63 lower-case letters, digits and hyphens')
  if (!Object.hasOwn(CONDITIONS, complete.conditions))
    throw new TypeError(`conditions must be one of ${Object.keys(CONDITIONS).join(', ')}`)
  const r2 = new LocalR2(complete)
  await r2.listen()
  return r2
}

if (Symbol.asyncDispose) {
  Object.defineProperty(LocalR2.prototype, Symbol.asyncDispose, {
    value: LocalR2.prototype.stop,
    writable: true,
    configurable: true,
  })
}

module.exports = { LocalR2, startLocalR2 }
