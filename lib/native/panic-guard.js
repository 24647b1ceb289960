'use strict'

// Every call of the addon goes through here. It responds with values: what it throws, or rejects with, is a bug of
// ours, a panic that was caught at the N-API boundary. Here that gets a type, whichever call of ours met it. And what is
// given to it has no prototypes, nor has the object that it responds with: an absent field stays absent on either side,
// whatever was put on Object.prototype.

const { types } = require('node:util')
const { StorageError, internalError } = require('../errors.js')
const { isPlain, own, withoutPrototypes } = require('../own-properties.js')

/** The native module with every function, method and getter of it guarded so. */
function sealed(native) {
  const entries = Object.entries(native).map(([name, value]) => {
    if (typeof value !== 'function') return [name, value]
    sealMembers(value.prototype)
    const apply = (target, _, args) => guarded(() => target(...args.map(withoutPrototypes)))
    const construct = (target, args, Class) =>
      guarded(() => Reflect.construct(target, args.map(withoutPrototypes), Class))
    return [name, new Proxy(value, { __proto__: null, apply, construct })]
  })
  return { __proto__: null, ...Object.fromEntries(entries) }
}

function sealMembers(prototype) {
  for (const [name, member] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (name === 'constructor') continue
    const kind = member.get ? 'get' : 'value'
    const run = member[kind]
    const method = function (...args) {
      return guarded(() => Reflect.apply(run, this, args.map(withoutPrototypes)))
    }
    Object.defineProperty(prototype, name, { __proto__: null, ...member, [kind]: method })
  }
}

function guarded(run) {
  try {
    const response = run()
    return types.isPromise(response) ? response.then(withoutPrototype, rethrow) : withoutPrototype(response)
  } catch (cause) {
    return rethrow(cause)
  }
}

/** Instances of native classes, lists and bytes stay as they are. */
function withoutPrototype(response) {
  const isRecord = typeof response === 'object' && response !== null && isPlain(response)
  return isRecord ? own(response) : response
}

function rethrow(cause) {
  throw cause instanceof StorageError ? cause : internalError(undefined, undefined, cause)
}

module.exports = { sealed }
