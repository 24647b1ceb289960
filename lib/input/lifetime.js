'use strict'

// A body may hold something until it is read: a descriptor, a socket, a connection's turn. From the call on its error is
// that call's, and whatever the call comes to, what the body holds is freed.

const { property } = require('../own-properties.js')

/** Node streams that are listened to, with their first error once there is one. */
const watched = new WeakMap()
/** Bodies that are being read, whose reader frees them, or that were freed. */
const settled = new WeakSet()
/** What calls have read of their options, by the call. */
const taken = new WeakMap()

/** Reads the option `body`. */
function takeBody(body, path, call) {
  if (!holdsNothing(body)) {
    taken.set(call, body)
    watch(body)
  }
  return body
}

/**
 * Listens to a body before anybody reads it. A Node stream without a listener for its error ends the process: a file that is
 * missing, say, while the upload waits for its turn.
 */
function watch(body) {
  if (holdsNothing(body)) return
  quietly(() => {
    const stream = streamIn(body)
    if (!isNodeStream(stream) || watched.has(stream)) return
    const seen = {}
    watched.set(stream, seen)
    // For as long as it lives: streams can fail after their end as well.
    stream.on('error', (error) => {
      seen.failure ??= { error }
    })
  })
}

/** What a Node stream has failed with, as { error }. */
function failureOf(stream) {
  const failure = watched.get(stream)?.failure
  if (failure) return failure
  return stream.errored === undefined || stream.errored === null ? undefined : { error: stream.errored }
}

/** Says that who reads a body frees it, too. */
function handOver(body) {
  settled.add(body)
}

/** Frees what a call was given and did not read. */
function releaseBodyOf(call, options) {
  release(taken.has(call) ? taken.get(call) : bodyIn(options))
}

/** Frees a body that will not be read; one that somebody else reads stays theirs. */
function release(body) {
  if (holdsNothing(body) || settled.has(body)) return
  settled.add(body)
  quietly(() => {
    if (typeof property(body, 'then') === 'function') {
      // What a forgotten await leaves: a Response with its socket, or a rejection.
      body.then(release, () => {})
      return
    }
    const stream = streamIn(body)
    if (stream === undefined || stream === null) return
    watch(stream)
    if (typeof property(stream, 'getReader') === 'function') {
      if (!stream.locked) settle(stream.cancel())
    } else if (isNodeStream(stream)) freeNodeStream(stream)
    else if (isIterator(stream)) settle(property(stream, 'return') && stream.return())
  })
}

function freeNodeStream(stream) {
  quietly(() => {
    // The socket of a request is the server's, and its response has still to be sent; what is left of the request is read away.
    if (isServerRequest(stream)) stream.resume()
    else if (typeof property(stream, 'destroy') === 'function') settle(stream.destroy())
  })
}

/** Of a Request or Response, the stream in it; also of node-fetch, where it is one of Node's. */
function streamIn(body) {
  const isMessage =
    typeof property(property(body, 'headers'), 'get') === 'function' && typeof property(body, 'bodyUsed') === 'boolean'
  return isMessage ? body.body : body
}

function isNodeStream(body) {
  return typeof property(body, 'on') === 'function' && typeof property(body, 'pipe') === 'function'
}

function isIterator(body) {
  const isIterable = typeof body[Symbol.asyncIterator] === 'function' || typeof body[Symbol.iterator] === 'function'
  return isIterable && typeof property(body, 'next') === 'function'
}

function isServerRequest(stream) {
  return (
    isIncomingMessage(stream) &&
    typeof property(stream, 'method') === 'string' &&
    typeof property(stream, 'statusCode') !== 'number'
  )
}

/** What Node's http gives: the request of a server, or the response of a client. */
function isIncomingMessage(stream) {
  return (
    isNodeStream(stream) &&
    typeof property(stream, 'httpVersion') === 'string' &&
    typeof stream.headers === 'object' &&
    stream.headers !== null
  )
}

/** Most bodies: bytes and text. */
function holdsNothing(body) {
  return body === null || typeof body !== 'object' || ArrayBuffer.isView(body)
}

/** The body in options that may be anything, without a word if they throw. */
function bodyIn(options) {
  let body
  quietly(() => {
    body = property(options, 'body')
  })
  return body
}

/** The same of an item that waits, but for a getter: it may open what it gives only when it is asked. */
function givenBody(item) {
  let body
  quietly(() => {
    body = Object.getOwnPropertyDescriptor(item, 'body')?.value
  })
  return body
}

function quietly(work) {
  try {
    work()
  } catch {
    // The body is not ours, and what became of the call is decided.
  }
}

/** For promises of bodies that are freed. */
function settle(promise) {
  Promise.resolve(promise).catch(() => {})
}

module.exports = {
  failureOf,
  freeNodeStream,
  givenBody,
  handOver,
  isIncomingMessage,
  isIterator,
  isNodeStream,
  quietly,
  release,
  releaseBodyOf,
  settle,
  takeBody,
  watch,
}
