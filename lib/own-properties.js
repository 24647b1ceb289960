'use strict'

// Objects read as if Object.prototype were empty: another dependency's prototype pollution must not set an option of
// ours. An absent option is read as absent, whatever the root prototype has under its name.

/** The own properties of an object, in one without a prototype. Of undefined, none. */
function own(object) {
  return { __proto__: null, ...object }
}

/** A property of an object or of its class, never of Object.prototype; undefined where there is none. */
function property(object, name) {
  if (object === null || (typeof object !== 'object' && typeof object !== 'function')) return undefined
  for (let holder = object; holder !== null; holder = Object.getPrototypeOf(holder)) {
    if (holder !== object && isRoot(holder)) return undefined
    // Read from the object itself: a getter of its class may need it.
    if (Object.hasOwn(holder, name)) return object[name]
  }
  return undefined
}

/** Object.prototype, of this realm or of another. */
function isRoot(prototype) {
  return (
    prototype === Object.prototype ||
    (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf'))
  )
}

/** Whether an object is a plain one: made by a literal, by JSON, or without a prototype. */
function isPlain(object) {
  const prototype = Object.getPrototypeOf(object)
  return prototype === null || isRoot(prototype)
}

/**
 * A value as the addon may have it: it reads fields by name, and N-API looks them up in prototypes. Plain objects
 * are copied without one, those inside of them too; all else (bytes, functions, native instances) stays as it is.
 */
function withoutPrototypes(value) {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(withoutPrototypes)
  if (!isPlain(value)) return value
  const copy = Object.create(null)
  for (const name of Object.keys(value)) copy[name] = withoutPrototypes(value[name])
  return copy
}

module.exports = { isPlain, own, property, withoutPrototypes }
