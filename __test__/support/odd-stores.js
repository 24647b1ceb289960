'use strict'

// Stores of checkpoints as nobody should write them: what a text can become while it is kept, and what a method of a
// store can do instead of its work.

const { createHash } = require('node:crypto')

const digestOf = (text) => createHash('sha256').update(text).digest('hex')

/** A checkpoint with other contents, whose digest is right: of another version, or made by somebody else. */
function resealed(text, change) {
  const content = JSON.stringify({ ...JSON.parse(JSON.parse(text).content), ...change })
  return JSON.stringify({ content, sha256: digestOf(content) })
}

const spliced = (text, at, count, more) =>
  text.slice(0, at % text.length) + more + text.slice((at % text.length) + count)

/** What becomes of a text, by a name: each takes the text and { at, text }, which are drawn. */
const DAMAGES = {
  none: (text) => text,
  'cut off': (text, { at }) => text.slice(0, at % text.length),
  'without its start': (text, { at }) => text.slice(1 + (at % text.length)),
  'a character more': (text, { at, text: more }) => spliced(text, at, 0, more[0] ?? ' '),
  'a character less': (text, { at }) => spliced(text, at, 1, ''),
  'another character': (text, { at, text: other }) => spliced(text, at, 1, other[0] ?? '0'),
  'twice the text': (text) => text + text,
  'other text': (_, { text }) => text,
  'a byte order mark': (text) => `\ufeff${text}`,
  giant: (text) => text + ' '.repeat(8 * 1024 * 1024),
  'giant bytes': (text) => Buffer.from(text + ' '.repeat(8 * 1024 * 1024)),
  bytes: (text) => Buffer.from(text),
  'bytes of UTF-16': (text) => Buffer.from(text, 'utf16le'),
  'an ArrayBuffer': (text) => Uint8Array.from(Buffer.from(text)).buffer,
  parsed: (text) => JSON.parse(text),
  frozen: (text) => Object.freeze(JSON.parse(text)),
  'a String object': (text) => new String(text),
  'a list': (text) => [text],
  'a function': (text) => () => text,
  'a symbol': () => Symbol('text'),
  'a number': (_, { at }) => at,
  'a bigint': (_, { at }) => BigInt(at),
  'a boolean': () => true,
  'a proxy that is revoked': () => revoked(),
  'an object with a getter that throws': () => ({
    get content() {
      throw new Error('a getter')
    },
  }),
  nothing: () => undefined,
  null: () => null,
}

function revoked() {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

/** What a method does, by a name: each takes its real work and `hang`, by which it never ends. */
const BEHAVIOURS = {
  'is at once': (work) => work(),
  'is asynchronous': async (work) => work(),
  'is a thenable': (work) => ({ then: (resolve) => resolve(work()) }),
  'is a thenable that settles twice': (work) => ({
    then: (resolve, reject) => [resolve(work()), reject(new Error('late'))],
  }),
  'is a thenable that throws': () => ({
    then() {
      throw new Error('then')
    },
  }),
  'is a thenable whose then cannot be read': () => ({
    get then() {
      throw new Error('then')
    },
  }),
  'is a thenable that is never settled': (_, hang) => ({ then: () => void hang() }),
  'is a promise whose constructor cannot be read': (work) =>
    Object.defineProperty(Promise.resolve(work()), 'constructor', {
      get() {
        throw new Error('constructor')
      },
    }),
  'is a promise of a promise that is never settled': async (_, hang) => hang(),
  hangs: (_, hang) => hang(),
  throws: () => {
    throw new Error('the store is down')
  },
  'throws nothing': () => {
    throw undefined
  },
  'throws text': () => {
    throw 'the store is down'
  },
  'throws what cannot be read': () => {
    throw revoked()
  },
  rejects: () => Promise.reject(new Error('the store is down')),
  'rejects with an error that cannot be read': () =>
    Promise.reject(
      Object.defineProperty(new Error(), 'message', {
        get() {
          throw new Error('message')
        },
      }),
    ),
  'rejects with control characters': () => Promise.reject(new Error('\x1b[2J\u202e\r\n')),
  'is a proxy that is revoked': () => revoked(),
}

/** Objects around three methods, by a name. */
const SHAPES = {
  'a plain object': (methods) => methods,
  'a frozen object': (methods) => Object.freeze(methods),
  'an object without a prototype': (methods) => Object.assign(Object.create(null), methods),
  'an object of a class': (methods) =>
    new (class Store {
      get(...given) {
        return methods.get(...given)
      }
      set(...given) {
        return methods.set(...given)
      }
      delete(...given) {
        return methods.delete(...given)
      }
    })(),
  'a proxy': (methods) => new Proxy(methods, {}),
  'a proxy of a frozen object': (methods) => new Proxy(Object.freeze(methods), {}),
  'methods that are gone when they are called': (methods) => {
    const asked = { get: 0, set: 0, delete: 0 }
    return new Proxy(methods, {
      get: (target, name) => (name in asked && asked[name]++ > 0 ? undefined : target[name]),
    })
  },
  'getters that throw when they are read again': (methods) => {
    const store = {}
    for (const name of Object.keys(methods)) {
      let asked = 0
      Object.defineProperty(store, name, {
        enumerable: true,
        get() {
          if (asked++ > 0) throw new Error('a getter')
          return methods[name]
        },
      })
    }
    return store
  },
}

/** Objects that are no stores. */
const NO_STORES = {
  'a proxy that is revoked': revoked,
  'a getter that throws': () => ({
    get get() {
      throw new Error('a getter')
    },
    set() {},
    delete() {},
  }),
  'a proxy whose handler throws': () =>
    new Proxy(
      {},
      {
        getOwnPropertyDescriptor() {
          throw new Error('a handler')
        },
      },
    ),
  'a proxy that has everything and nothing': () => new Proxy({}, { get: () => 1, has: () => true }),
  'a WeakMap without a key for it': () =>
    Object.create(null, { get: { value: 1 }, set: { value: 2 }, delete: { value: 3 } }),
  'a function': () => Object.assign(() => {}, { get() {}, set() {}, delete() {} }),
  'a promise of a store': () => Promise.resolve(new Map()),
}

module.exports = { BEHAVIOURS, DAMAGES, NO_STORES, SHAPES, resealed }
