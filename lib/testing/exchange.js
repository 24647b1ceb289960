'use strict'

// One request and its response on the wire, and the faults that can happen to them.

const { refusalResponse } = require('./responses.js')

/** As from a port where something else than HTTP is spoken. */
const GARBAGE = '\x16\x03\x01\x00\xff<html>\x00\x80no HTTP\r\n\r\n\x7f\x00\xfe'
const OTHER_ETAG = '"00000000000000000000000000000000"'

class Exchange {
  constructor(request, response, event) {
    Object.assign(this, { request, response, event, socket: request.socket })
    /** Of the request's body. */
    this.length = Number(request.headers['content-length'] ?? Infinity)
  }

  /** Reads the body, or so much of it, at a rate. What is read is counted in the event. Undefined where the client left. */
  async read(limit = Infinity, bytesPerSecond = Infinity) {
    const pieces = []
    if (limit === 0) return Buffer.alloc(0)
    try {
      for await (const piece of this.request.iterator({ destroyOnReturn: false })) {
        pieces.push(piece)
        this.event.bodyBytes += piece.length
        if (bytesPerSecond < Infinity) await this.wait((piece.length * 1000) / bytesPerSecond)
        if (this.event.bodyBytes >= limit) break
      }
    } catch {
      return undefined
    }
    return Buffer.concat(pieces)
  }

  reset() {
    this.socket.resetAndDestroy()
  }

  /** Ends the connection in order, behind what was written. */
  close() {
    this.socket.end()
    // The end of a client that continues sending would never come.
    this.request.resume()
  }

  /** Until the client leaves, or so long. */
  async wait(ms) {
    if (this.socket.destroyed) return
    await new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        this.socket.off('close', end)
        resolve()
      }
      const timer = ms === undefined ? undefined : setTimeout(end, ms)
      this.socket.on('close', end)
    })
  }

  respond({ status, headers, body }) {
    this.event.status = status
    this.response.writeHead(status, { ...headers, ...lengthOf(status, body) })
    // A HEAD has the length of what a GET would give.
    this.response.end(this.request.method === 'HEAD' ? undefined : body)
  }

  async raw({ text, bytesPerSecond, then = 'close' }) {
    const bytes = Buffer.from(text, 'latin1')
    this.event.status = Number(/^HTTP\/1\.\d (\d{3})/.exec(text)?.[1] ?? NaN) || null
    if (bytesPerSecond === undefined) this.socket.write(bytes)
    else {
      for (const byte of bytes) {
        if (this.socket.destroyed) return
        this.socket.write(Buffer.of(byte))
        await this.wait(1000 / bytesPerSecond)
      }
    }
    if (then === 'reset') this.reset()
    else if (then === 'close') this.close()
    // Else the connection is the client's to close: this server does not know what its bytes meant.
  }

  /**
   * What happens instead of serving the request. False where the fault lets it be served, and only changes its response.
   */
  async meet(fault) {
    switch (fault.fault) {
      case 'earlyStatus': {
        const response = statusResponse(fault)
        this.event.status = response.status
        this.socket.write(headOf({ ...response, headers: { ...response.headers, connection: 'close' } }))
        this.socket.write(response.body)
        this.close()
        return true
      }
      case 'reset':
      case 'fin':
        await this.read(fault.afterBytes ?? this.length / 2)
        if (fault.fault === 'reset') this.reset()
        else this.close()
        return true
      case 'stopReading':
        await this.read(fault.afterBytes ?? this.length / 2)
        await this.wait()
        return true
      case 'hang':
        await this.read()
        await this.wait(fault.forMs)
        this.reset()
        return true
      case 'status':
        if (await this.read()) this.respond(statusResponse(fault))
        return true
      case 'garbage':
        if (await this.read()) await this.raw({ text: GARBAGE })
        return true
      case 'raw':
        if (await this.read()) await this.raw(fault)
        return true
      default:
        return false
    }
  }

  /** Gives the response as the fault will have it. */
  async respondUnder(fault, response) {
    switch (fault?.fault) {
      case 'dropResponse':
        return this.reset()
      case 'delay':
        await this.wait(fault.ms)
        return this.respond(response)
      case 'badEtag':
        return this.respond({ ...response, headers: { ...response.headers, etag: OTHER_ETAG } })
      case 'partialHead': {
        const head = headOf(response)
        this.socket.write(head.subarray(0, head.length / 2))
        return this.close()
      }
      case 'truncate':
      case 'stallResponse':
        this.event.status = response.status
        this.socket.write(headOf(response))
        this.socket.write(response.body.subarray(0, response.body.length / 2))
        if (fault.fault === 'stallResponse') await this.wait()
        return this.close()
      default:
        return this.respond(response)
    }
  }
}

function statusResponse({ status, code, message = 'made by a fault rule', retryAfter, date, headers }) {
  const response = refusalResponse({ status, code, message })
  const extra = { ...headers, ...(retryAfter && { 'retry-after': retryAfter }), ...(date && { date }) }
  return { ...response, headers: { ...response.headers, ...extra } }
}

function lengthOf(status, body) {
  return [204, 304].includes(status) ? {} : { 'content-length': body.length }
}

function headOf({ status, headers, body }) {
  const lines = Object.entries({ ...headers, ...lengthOf(status, body) }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  return Buffer.from(`HTTP/1.1 ${status} Fault\r\n${lines.join('')}\r\n`, 'latin1')
}

module.exports = { Exchange }
