'use strict'

// Bodies, signals and headers as other realms, polyfills and libraries make them. `shapes` has no name of this module in it,
// so that it can also be run in a context of its own, whose classes and prototypes are its own: as in Jest.

const vm = require('node:vm')

/** What a realm of its own gets from this one: what no realm has of itself. */
const host = {
  ReadableStream,
  TextEncoder,
  TextDecoder,
  EventTarget,
  Event,
  Headers,
  Readable: require('node:stream').Readable,
  Blob,
}

const shapes = function shapes({ ReadableStream, TextEncoder, EventTarget, Event, Headers, Readable, Blob }) {
  const bytesOf = (text) => Uint8Array.from(new TextEncoder().encode(text))
  const tagged = (tag, body) => Object.defineProperty(body, Symbol.toStringTag, { value: tag, configurable: true })
  const streamOf = (text) => {
    const chunks = [bytesOf(text)]
    return new ReadableStream(
      { pull: (controller) => (chunks.length > 0 ? controller.enqueue(chunks.pop()) : controller.close()) },
      { highWaterMark: 0 },
    )
  }
  /** A web stream of a polyfill: no class of Node's, and none of its hidden state. */
  const polyfillStream = (text) => {
    const chunks = [bytesOf(text)]
    const reader = {
      read: async () => (chunks.length > 0 ? { done: false, value: chunks.pop() } : { done: true, value: undefined }),
      cancel: async () => {},
      releaseLock() {},
    }
    return { locked: false, getReader: () => reader, cancel: async () => {} }
  }
  const headersOf = (entries) => ({
    get: (name) => entries[name.toLowerCase()] ?? null,
    has: (name) => name.toLowerCase() in entries,
  })

  class Blobish {
    #text
    constructor(text, type = 'text/plain') {
      this.#text = text
      this.type = type
    }
    get size() {
      return bytesOf(this.#text).length
    }
    async arrayBuffer() {
      return bytesOf(this.#text).buffer
    }
    slice() {}
  }
  class Formish {
    append() {}
    get() {}
    getAll() {}
  }
  class Signalish {
    aborted = false
    reason = undefined
    #listeners = new Set()
    addEventListener(_, listener) {
      this.#listeners.add(listener)
    }
    removeEventListener(_, listener) {
      this.#listeners.delete(listener)
    }
    abort() {
      this.aborted = true
      for (const listener of this.#listeners) listener({ type: 'abort' })
    }
  }
  const message = (text, { body, headers = headersOf({ 'content-type': 'text/plain' }), ...rest } = {}) => ({
    ok: true,
    status: 200,
    type: 'default',
    url: '',
    bodyUsed: false,
    headers,
    formData() {},
    text: async () => text,
    arrayBuffer: async () => bytesOf(text).buffer,
    ...(body !== undefined && { body }),
    ...rest,
  })

  return {
    /** Bodies whose meaning is clear, each of a text. */
    bodies: {
      Uint8Array: bytesOf,
      ArrayBuffer: (text) => bytesOf(text).buffer,
      DataView: (text) => new DataView(bytesOf(text).buffer),
      SharedArrayBuffer: (text) => {
        const bytes = bytesOf(text)
        const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
        shared.set(bytes)
        return shared
      },
      'a generator': function* (text) {
        yield bytesOf(text)
      },
      'an async generator': async function* (text) {
        yield text
      },
      'a web stream': streamOf,
      'a web stream of a polyfill': polyfillStream,
      'a stream of strings': (text) =>
        new ReadableStream({
          start(controller) {
            controller.enqueue(text)
            controller.close()
          },
        }),
      'a Blob without a tag, of happy-dom': (text) => new Blobish(text),
      'a Blob with a tag': (text) => tagged('Blob', new Blobish(text)),
      'a File with a tag and a type that is no text': (text) => tagged('File', new Blobish(text, { of: 'an object' })),
      'a Blob that gives a view': (text) => ({
        type: '',
        size: bytesOf(text).length,
        arrayBuffer: async () => bytesOf(text),
      }),
      'a large Blob whose stream() gives nothing': (text) => {
        const padded = text.padEnd(9_000_000, '.')
        return tagged('Blob', {
          type: '',
          size: bytesOf(padded).length,
          stream() {},
          arrayBuffer: async () => bytesOf(padded).buffer,
        })
      },
      'a Response of undici': (text) => tagged('Response', message(text, { body: streamOf(text) })),
      'a Response without a tag': (text) => message(text, { body: streamOf(text) }),
      'a Response of node-fetch 2, of a text': (text) => message(text, { body: text }),
      'a Response of node-fetch 2, of bytes': (text) =>
        tagged('Response', { ...message(text, { body: bytesOf(text) }), formData: undefined }),
      'a Response of node-fetch, of a Node stream': (text) => message(text, { body: Readable.from([bytesOf(text)]) }),
      'a Response of a Blob': (text) => message(text, { body: new Blobish(text) }),
      'a Response of whatwg-fetch, which has no body': (text) => message(text),
      'a Request with a stream of a polyfill': (text) =>
        tagged('Request', message(text, { body: polyfillStream(text), ok: undefined, status: undefined })),
      'a Response whose headers are no text': (text) =>
        message(text, {
          body: streamOf(text),
          headers: { get: (name) => (name === 'content-length' ? 3 : ['text/plain']) },
        }),
      'a subclass of Blob': (text) => new (class extends Blob {})([text]),
      'an object that inherits from a Blob': (text) =>
        Object.create(new Blobish(text), {
          size: { value: bytesOf(text).length },
          arrayBuffer: { value: async () => bytesOf(text).buffer },
        }),
      'a proxy of a Blob that binds': (text) =>
        new Proxy(new Blob([text]), {
          get: (target, name) => (typeof target[name] === 'function' ? target[name].bind(target) : target[name]),
        }),
    },
    /** What is refused before anything is sent, with what the message says. */
    refused: {
      'a FormData with a tag': [() => tagged('FormData', new Formish()), /FormData/],
      'a FormData without a tag': [() => new Formish(), /formData\.get\('file'\)/],
      'a FormData of form-data': [() => ({ getBoundary() {}, pipe() {}, append() {} }), /FormData/],
      URLSearchParams: [() => tagged('URLSearchParams', {}), /String\(\)/],
      'a String object': [() => new String('x'), /String\(body\)/],
      'a Number object': [() => new Number(1), /an object of a class/],
      'a Date': [() => new Date(), /this is a Date/],
      'a Map': [() => new Map(), /this is a Map/],
      'a Promise': [() => ({ promise: Promise.resolve('x') }).promise, /await/],
      'an Error': [() => new Error('x'), /an object of a class/],
      'an object with toString': [
        () =>
          new (class {
            toString() {
              return 'x'
            }
          })(),
        /an object of a class/,
      ],
      'a plain object': [() => ({ a: 1 }), /JSON\.stringify/],
      'an object without a prototype': [() => Object.create(null), /JSON\.stringify/],
      'an array of numbers': [() => [1, 2], /Uint8Array\.from/],
      'an array of files of a form parser': [() => [{ filepath: '/x' }], /one of its items/],
      'a function': [() => () => 'x', /a function/],
      Headers: [() => tagged('Headers', { get() {} }), /Headers/],
      FileList: [() => tagged('FileList', {}), /files\[0\]/],
      'a TransformStream': [() => ({ readable: streamOf('x'), writable: {} }), /file\.readable/],
      'a file of multer in memory': [() => ({ originalname: 'a', buffer: bytesOf('x'), size: 1 }), /file\.buffer/],
      'a file of multer on disk': [() => ({ originalname: 'a', path: '/tmp/x', size: 1 }), /fromFile/],
      'a file of formidable': [
        () =>
          new (class File {
            filepath = '/tmp/x'
            size = 1
            toString() {
              return 'x'
            }
          })(),
        /fromFile\(file\.filepath\)/,
      ],
      'a file of express-fileupload': [() => ({ name: 'a', data: bytesOf('x'), size: 1, mv() {} }), /file\.data/],
      'a temporary file of express-fileupload': [
        () => ({ name: 'a', data: bytesOf(''), tempFilePath: '/tmp/x', mv() {} }),
        /fromFile\(file\.tempFilePath\)/,
      ],
      'a file of @fastify/multipart': [
        () => ({ type: 'file', filename: 'a', file: Readable.from([]), toBuffer() {} }),
        /file\.file/,
      ],
      'a file of graphql-upload': [() => ({ filename: 'a', createReadStream() {} }), /createReadStream\(\)/],
      'a response of axios': [() => ({ data: bytesOf('x'), status: 200, headers: {}, config: {} }), /file\.data/],
      'a response of undici.request': [() => ({ statusCode: 200, headers: {}, body: Readable.from([]) }), /file\.body/],
      'a result of GetObject': [() => ({ Body: Readable.from([]), $metadata: {} }), /file\.Body/],
      'a double of a Response': [
        () => ({ ok: true, status: 200, headers: { get() {} }, arrayBuffer: async () => bytesOf('x').buffer }),
        /arrayBuffer\(\)/,
      ],
      'a Response with a tag alone': [() => tagged('Response', {}), /headers cannot be read/],
      'a Response with plain headers': [
        () => tagged('Response', { ok: true, status: 200, headers: { 'content-type': 'x' }, body: streamOf('x') }),
        /headers cannot be read/,
      ],
      'a Response whose body is a number': [() => message('', { body: 7 }), /body is no stream/],
      'a Response of a form': [
        () =>
          message('', {
            body: streamOf('x'),
            headers: headersOf({ 'content-type': 'multipart/form-data; boundary=x' }),
          }),
        /a form/,
      ],
      'a Response of an error': [() => message('', { body: streamOf('x'), ok: false, status: 500 }), /status 500/],
      'a Response that was read': [() => message('', { body: streamOf('x'), bodyUsed: true }), /read already/],
      'headers that throw': [
        () =>
          message('', {
            body: streamOf('x'),
            headers: {
              get() {
                throw new TypeError('Illegal invocation')
              },
            },
          }),
        /throws when it is read/,
      ],
      'a Blob with a tag alone': [() => tagged('Blob', {}), /node:buffer/],
      'a Blob whose size is a text': [
        () => tagged('Blob', { size: '1', type: '', arrayBuffer: async () => bytesOf('x').buffer }),
        /without a size/,
      ],
      'a Blob that gives a text': [
        () => tagged('Blob', { size: 1, type: '', arrayBuffer: async () => 'x' }),
        /gave something else/,
      ],
      'a Blob that gives less': [
        () => ({ size: 2, type: '', arrayBuffer: async () => bytesOf('x').buffer }),
        /2 bytes of which 1/,
      ],
      'a Blob that throws': [
        () => ({
          size: 1,
          type: '',
          arrayBuffer() {
            throw new TypeError('Illegal invocation')
          },
        }),
        /could not be read/,
      ],
      'a locked stream': [() => ({ ...polyfillStream('x'), locked: true }), /locked/],
      'a stream whose reader throws': [
        () => ({
          getReader() {
            throw new TypeError('Illegal invocation')
          },
        }),
        /throws when it is read/,
      ],
      'a getter that throws': [
        () => ({
          get arrayBuffer() {
            throw new Error('no')
          },
        }),
        /throws when it is read/,
      ],
      'a proxy of bytes': [() => new Proxy(bytesOf('x'), {}), /this is a Proxy/],
      'a proxy whose handler throws': [
        () =>
          new Proxy(
            {},
            new Proxy(
              {},
              {
                get() {
                  throw new Error('no')
                },
              },
            ),
          ),
        /throws when it is read/,
      ],
      'a proxy that was revoked': [
        () => {
          const { proxy, revoke } = Proxy.revocable({}, {})
          revoke()
          return proxy
        },
        /throws when it is read/,
      ],
      'a chunk that is an object': [
        async function* () {
          yield {}
        },
        /chunk/,
      ],
      'a chunk that is a String object': [
        function* () {
          yield new String('x')
        },
        /chunk/,
      ],
      'a chunk that is a Blob': [
        function* () {
          yield new Blob(['x'])
        },
        /chunk/,
      ],
      'a chunk that is undefined': [
        () =>
          new ReadableStream({
            start(controller) {
              controller.enqueue(undefined)
              controller.close()
            },
          }),
        /chunk/,
      ],
      'a chunk that is a number': [() => Readable.from([1]), /chunk/],
    },
    /** Signals: each can be aborted. */
    signals: {
      'of a polyfill, with a tag': () => tagged('AbortSignal', new Signalish()),
      'of a polyfill, without a tag': () => new Signalish(),
      'made of an EventTarget': () => {
        const target = new EventTarget()
        return Object.assign(target, {
          aborted: false,
          abort() {
            target.aborted = true
            target.dispatchEvent(new Event('abort'))
          },
        })
      },
    },
    noSignals: {
      'an AbortController': () => ({ signal: new Signalish(), abort() {} }),
      'an EventTarget': () => new EventTarget(),
      'a tag alone': () => tagged('AbortSignal', {}),
      'a signal that went through JSON': () => ({ aborted: false }),
      'a proxy whose handler throws': () =>
        new Proxy(new Signalish(), {
          get() {
            throw new TypeError('Illegal invocation')
          },
        }),
      'an aborted that is no boolean': () => Object.assign(new Signalish(), { aborted: 0 }),
    },
    /** What is no record of strings. */
    noRecords: {
      Headers: () => new Headers({ a: 'b' }),
      Map: () => new Map([['a', 'b']]),
      URLSearchParams: () => ({ entries() {}, append() {} }),
      'Headers of a polyfill': () =>
        new (class {
          #map = { a: 'b' }
          get(name) {
            return this.#map[name]
          }
        })(),
      Date: () => new Date(),
      array: () => [['a', 'b']],
      'values that are String objects': () => ({ a: new String('b') }),
      'values that are numbers': () => ({ a: 1 }),
    },
  }
}

const realms = {
  'this realm': shapes(host),
  'another realm': vm.runInContext(`(${shapes})`, vm.createContext({}))(host),
}

module.exports = { realms }
