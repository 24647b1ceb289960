'use strict'

// The native part answers with values. What it throws, or rejects with, is a bug of ours: a panic that was caught at the
// seam. Here it gets a type, whichever call of ours met it.

const { StorageError, internalError } = require('./errors.js')

/** The native module with every function, method and getter of it sealed so. */
function sealed(native) {
  const entries = Object.entries(native).map(([name, value]) => {
    if (typeof value !== 'function') return [name, value]
    sealMembers(value.prototype)
    return [name, new Proxy(value, { apply: guard(Reflect.apply), construct: guard(Reflect.construct) })]
  })
  return Object.fromEntries(entries)
}

function sealMembers(prototype) {
  for (const [name, member] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (name === 'constructor') continue
    const kind = member.get ? 'get' : 'value'
    Object.defineProperty(prototype, name, { ...member, [kind]: guard(member[kind]) })
  }
}

function guard(run) {
  return function (...args) {
    try {
      const answer = Reflect.apply(run, this, args)
      return answer instanceof Promise ? answer.catch(rethrow) : answer
    } catch (cause) {
      return rethrow(cause)
    }
  }
}

function rethrow(cause) {
  throw StorageError.isInstance(cause) ? cause : internalError(undefined, undefined, cause)
}

module.exports = { sealed }
