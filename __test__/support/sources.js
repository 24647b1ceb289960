'use strict'

// Bodies of every make, from one plan: which chunks, at what pace, and where the source fails. Each is
// { body, isReleased() }: whether it holds anything still.

const { createReadStream, writeFileSync } = require('node:fs')
const path = require('node:path')
const { PassThrough, Readable } = require('node:stream')
const { setImmediate: nextTurn } = require('node:timers/promises')
const vm = require('node:vm')

/** A pace is a list that is gone through again and again. */
async function pause(pace, index) {
  const kind = pace[index % pace.length]
  if (kind === 'microtask') await null
  if (kind === 'timer') await nextTurn()
}

/**
 * Gives the chunks, in one buffer again and again if `reuse` is set; before the chunk `fail.at` it does what `fail.act`
 * says: throws, or aborts the caller's signal and continues.
 */
async function* produce({ chunks, pace, fail, reuse }) {
  const shared = Buffer.alloc(Math.max(1, ...chunks.map(({ length }) => length)))
  for (let index = 0; index <= chunks.length; index += 1) {
    if (pace[index % pace.length] !== 'sync') await pause(pace, index)
    if (fail?.at === index) fail.act()
    if (index === chunks.length) return
    if (!reuse) {
      yield Buffer.from(chunks[index])
      continue
    }
    shared.fill(0xee)
    shared.set(chunks[index])
    yield shared.subarray(0, chunks[index].length)
  }
}

function readable(plan, options) {
  const source = produce({ ...plan, reuse: false })
  let reading = false
  return new Readable({
    ...options,
    async read() {
      if (reading) return
      reading = true
      try {
        for (let more = true; more; ) {
          const { done, value } = await source.next()
          more = !done && (value.length === 0 || this.push(value))
          if (done) this.push(null)
        }
      } catch (error) {
        this.destroy(error)
      }
      reading = false
    },
  })
}

const nodeStream = (stream) => ({ body: stream, isReleased: () => stream.destroyed })

function webStream(plan, type) {
  const source = produce(plan)
  const state = { ended: false }
  const stream = new ReadableStream(
    {
      type,
      async pull(controller) {
        try {
          let { done, value } = await source.next()
          // A byte stream takes no empty chunks.
          while (!done && value.length === 0) ({ done, value } = await source.next())
          if (!done) return controller.enqueue(new Uint8Array(value))
          state.ended = true
          controller.close()
          controller.byobRequest?.respond(0)
        } catch (error) {
          state.ended = true
          controller.error(error)
        }
      },
      cancel() {
        state.ended = true
      },
    },
    { highWaterMark: 0 },
  )
  return { body: stream, isReleased: () => state.ended }
}

/** Of what an abstract iterator was: asked for nothing, asked to its end, or returned. */
function countedIterator(plan) {
  const source = produce(plan)
  const state = { begun: false, ended: false }
  const iterator = {
    async next() {
      state.begun = true
      try {
        const result = await source.next()
        state.ended ||= Boolean(result.done)
        return result
      } catch (error) {
        state.ended = true
        throw error
      }
    },
    async return(value) {
      state.ended = true
      return { done: true, value }
    },
  }
  return { body: { [Symbol.asyncIterator]: () => iterator }, isReleased: () => !state.begun || state.ended }
}

/** A generator whose values are at hand; it cannot wait. */
function* produceAtOnce({ chunks, fail }, make = (chunk) => Buffer.from(chunk)) {
  for (let index = 0; index <= chunks.length; index += 1) {
    if (fail?.at === index) fail.act()
    if (index < chunks.length) yield make(chunks[index])
  }
}

const realm = vm.createContext({})
const foreign = vm.runInContext(
  `({
  bytes: (chunk) => Uint8Array.from(chunk),
  buffer: (chunk) => Uint8Array.from(chunk).buffer,
  wrap: async function* (chunks) { yield* chunks },
})`,
  realm,
)

const makers = {
  'a Readable': (plan) => nodeStream(readable(plan)),
  'a Readable in object mode': (plan) => nodeStream(readable(plan, { objectMode: true })),
  'a PassThrough': (plan) => {
    const stream = new PassThrough()
    const source = readable(plan)
    source.on('error', () => {})
    // As `pipeline` does; `pipe` leaves its end open.
    source.on('close', () => source.readableEnded || stream.destroy(source.errored))
    stream.on('close', () => source.destroy())
    return { body: source.pipe(stream), isReleased: () => stream.destroyed && source.destroyed }
  },
  'Readable.from': (plan) => {
    // Node reads ahead of us, so that a buffer which is used again is its reader's to copy.
    return nodeStream(Readable.from(produce({ ...plan, reuse: false })))
  },
  'a web stream': (plan) => webStream(plan),
  'a web stream of bytes': (plan) => webStream({ ...plan, reuse: false }, 'bytes'),
  'an async generator': (plan) => {
    const chunks = produce(plan)
    return {
      body: chunks,
      isReleased: async () => (await Promise.race([chunks.next(), nextTurn({ done: false })])).done,
    }
  },
  'an async iterable': countedIterator,
  'a generator': (plan) => {
    const chunks = produceAtOnce(plan)
    return { body: chunks, isReleased: () => chunks.next().done }
  },
  'chunks of another realm': (plan) => {
    const chunks = foreign.wrap(produceAtOnce(plan, foreign.bytes))
    return {
      body: chunks,
      isReleased: async () => (await Promise.race([chunks.next(), nextTurn({ done: false })])).done,
    }
  },
  'buffers of another realm': (plan) => {
    const chunks = produceAtOnce(plan, foreign.buffer)
    return { body: chunks, isReleased: () => chunks.next().done }
  },
  'a Request': (plan) => {
    const { body, isReleased } = webStream({ ...plan, reuse: false })
    return { body: new Request('http://127.0.0.1/', { method: 'POST', body, duplex: 'half' }), isReleased }
  },
  'a Response': (plan) => {
    const { body, isReleased } = webStream({ ...plan, reuse: false })
    return { body: new Response(body), isReleased }
  },
}

/** A stream of a file in `folder`, which holds a descriptor. */
function fileStream(folder, bytes) {
  const file = path.join(folder, 'source.bin')
  writeFileSync(file, bytes)
  return nodeStream(createReadStream(file))
}

/** Waits for as long as it takes, which the test's own limit bounds. */
async function released(source) {
  while (!(await source.isReleased())) await nextTurn()
}

module.exports = { fileStream, kinds: Object.keys(makers), makeSource: (kind, plan) => makers[kind](plan), released }
