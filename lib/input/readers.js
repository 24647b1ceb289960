'use strict'

// Streams and iterators of any make, read chunk by chunk: { next(), cancel(), bytesOfText? }. `cancel` frees what the stream
// holds, whatever it is doing, and never throws.

const { isDisturbed } = require('node:stream')
const { invalid } = require('./body.js')
const { bytesOfText, losesBytes } = require('./encoded-text.js')
const {
  failureOf,
  freeNodeStream,
  handOver,
  isIterator,
  isNodeStream,
  quietly,
  settle,
  watch,
} = require('./lifetime.js')
const { property } = require('../own-properties.js')

/**
 * Reads `body`, or gives undefined for what is no stream.
 *
 * @throws {InputError} for one that somebody else reads, or has read from.
 */
function readerOf(body, call) {
  const read = howToRead(body)
  if (!read) return undefined
  const reader = read(body, call)
  handOver(body)
  return reader
}

function isStream(body) {
  return howToRead(body) !== undefined
}

function howToRead(body) {
  if (body === null || typeof body !== 'object') return undefined
  if (typeof property(body, 'getReader') === 'function') return readWebStream
  if (typeof body[Symbol.asyncIterator] === 'function') return isNodeStream(body) ? readNodeStream : readAsyncIterable
  // Generators, and what else is read once; an array or a Set of chunks is rather a mistake.
  return isIterator(body) ? (given, call) => readIterator(given, call, Symbol.iterator) : undefined
}

function readWebStream(stream, call) {
  if (stream.locked) throw invalid('body is a stream that is locked: something else reads it', call)
  // What was read would be missing from the object, and nothing would say so.
  if (isDisturbed?.(stream))
    throw invalid('body is a stream that was read from already; for what is left of it, give an async iterable', call)
  const reader = stream.getReader()
  return { next: () => reader.read(), cancel: () => quietly(() => settle(reader.cancel())) }
}

function readNodeStream(stream, call) {
  watch(stream)
  if (failureOf(stream))
    return {
      next: async () => {
        throw failureOf(stream).error
      },
      cancel() {},
    }
  if (stream.destroyed || stream.readableEnded) throw invalid('body is a stream that has ended already', call)
  refuseIfRead(stream, call)
  if (losesBytes(stream)) bytesOfText('', stream, call)
  let iterator
  return {
    async next() {
      // Old streams do not end with their error, and an iterator is notified only of what comes while it waits.
      const failure = failureOf(stream)
      if (failure) throw failure.error
      if (!iterator) {
        // It may have waited for its turn, and somebody else may have begun with it.
        refuseIfRead(stream, call)
        iterator = stream[Symbol.asyncIterator]()
      }
      return iterator.next()
    },
    // An iterator that waits is freed by `destroy`, by its own `return` not at all.
    cancel: () => freeNodeStream(stream),
    bytesOfText: (text) => (stream.readableEncoding ? bytesOfText(text, stream, call) : undefined),
  }
}

function refuseIfRead(stream, call) {
  if (!stream.readableDidRead) return
  throw invalid(
    'body is a stream that was read from already; for what is left of it, give stream[Symbol.asyncIterator]()',
    call,
  )
}

function readAsyncIterable(body, call) {
  if (property(body, 'destroyed') === true) throw invalid('body is a stream that has ended already', call)
  return readIterator(body, call, Symbol.asyncIterator)
}

function readIterator(body, call, method) {
  // Before the first chunk there is something to free only if the body is itself the iterator.
  let iterator = isIterator(body) ? body : undefined
  let begun = false
  let ended = false
  return {
    async next() {
      if (!begun) {
        begun = true
        iterator = body[method]()
      }
      let result
      try {
        result = await iterator.next()
        ended = Boolean(result.done)
        // Of a sync iterator the values may be promises.
        return ended ? { done: true } : { done: false, value: await result.value }
      } catch (error) {
        // One that throws has ended; one whose value rejects has not.
        ended ||= result === undefined
        throw error
      }
    },
    cancel() {
      quietly(() => {
        if (!ended && typeof iterator?.return === 'function') settle(iterator.return())
      })
      ended = true
      quietly(() => {
        if (typeof property(body, 'destroy') === 'function') settle(body.destroy())
      })
    },
  }
}

module.exports = { isStream, readerOf }
