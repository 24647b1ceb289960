'use strict'

// The error classes, and errors that can be made where the addon could not be loaded. Callers make them after an await
// of theirs, which puts the frames of the code that called us onto the stack.

const { isError } = require('./is-error.js')
const { httpStatusOf } = require('./http-status.js')
const { own } = require('./own-properties.js')

/** Shared by the classes of all copies of the package. */
const BRAND = Symbol.for('reliable-r2.StorageError')

/** As of the category `internal`. */
const UNEXPECTED = 'Something unexpected went wrong. Please try again.'

/** What an error carries besides its message, in the order in which people read it. */
const FACTS = [
  'code',
  'category',
  'retryable',
  'attempts',
  'elapsedMs',
  'operation',
  'key',
  'option',
  'status',
  'requestId',
  'host',
  'retryAfterMs',
  'userMessage',
]

class StorageError extends Error {
  constructor(message, facts) {
    super(message, Object.hasOwn(facts, 'cause') ? { cause: facts.cause } : undefined)
    for (const name of FACTS) {
      // An absent fact is an absent property, so that a printed error shows only what there is.
      if (Object.hasOwn(facts, name) && facts[name] !== undefined && facts[name] !== null)
        define(this, name, facts[name])
    }
  }

  /** `instanceof` holds for errors of another copy of the package, too: a monorepo or a bundler may have made one. */
  static [Symbol.hasInstance](value) {
    if (!OURS.has(this)) return Function.prototype[Symbol.hasInstance].call(this, value)
    if (value === null || typeof value !== 'object' || value[BRAND] !== true) return false
    return [StorageError, CLASS_OF[value.category], CLASS_OF_CODE[value.code]].includes(this)
  }

  get httpStatus() {
    return httpStatusOf(this)
  }

  toJSON() {
    const json = { name: this.name, message: this.message }
    for (const name of FACTS) if (Object.hasOwn(this, name)) json[name] = this[name]
    const causes = messagesOf(this.cause)
    if (causes.length > 0) json.causes = causes
    return json
  }
}

class InputError extends StorageError {}
class NetworkError extends StorageError {}
class CircuitOpenError extends NetworkError {}
class TimeoutError extends StorageError {}
class ThrottledError extends StorageError {}
class AuthError extends StorageError {}
class SourceError extends StorageError {}
class ServiceError extends StorageError {}
class InternalError extends StorageError {}

const CLASS_OF = {
  __proto__: null,
  network: NetworkError,
  timeout: TimeoutError,
  throttled: ThrottledError,
  auth: AuthError,
  input: InputError,
  source: SourceError,
  service: ServiceError,
  internal: InternalError,
  // An abort that no signal of the caller's caused: the storage was closed.
  aborted: StorageError,
}

/** Where the code says more than the category. */
const CLASS_OF_CODE = { __proto__: null, ERR_CIRCUIT_OPEN: CircuitOpenError }

const OURS = new Set([StorageError, ...Object.values(CLASS_OF), ...Object.values(CLASS_OF_CODE)])

for (const Class of OURS) {
  Object.defineProperty(Class.prototype, 'name', {
    __proto__: null,
    value: Class.name,
    configurable: true,
    writable: true,
  })
}
Object.defineProperty(StorageError.prototype, BRAND, { __proto__: null, value: true })

/** Whether a value of the addon is a failure rather than a result. */
function isFailure(value) {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'isFailure')
}

/** A failure of the addon, as an error. */
function fromFailure(failure) {
  const { message, causes, ...facts } = own(failure)
  const cause = chain(causes)
  return build(message, cause ? { ...facts, cause } : facts, fromFailure)
}

/** What the addon, which returns failures as values, threw or rejected with: a bug of ours. */
function internalError(operation, key, cause) {
  // The addon is not asked for its sentence: it may be that which broke off.
  const facts = { ...blank('internal', 'ERR_INTERNAL'), userMessage: UNEXPECTED, operation, key, cause }
  const message = `${operation ? `${operation} failed: ` : ''}ERR_INTERNAL: unexpected error in the native addon (this is a bug; please report it)`
  return build(message, facts, internalError)
}

function unsupportedError(message, { platform, arch, libc, cause }) {
  const facts = {
    ...blank('internal', 'ERR_UNSUPPORTED'),
    // The sentences live in the addon, which is what is missing here.
    userMessage: 'Uploads are not available on this server. Please contact the operator of this site.',
    cause,
  }
  return Object.assign(build(message, facts, unsupportedError), { platform, arch }, libc && { libc })
}

function build(message, facts, from) {
  const error = new (CLASS_OF_CODE[facts.code] ?? CLASS_OF[facts.category] ?? StorageError)(message, facts)
  Error.captureStackTrace?.(error, from)
  return error
}

/** Also where Object.prototype has a setter, or a value that cannot be written, of that name. */
function define(error, name, value) {
  Object.defineProperty(error, name, { __proto__: null, value, configurable: true, enumerable: true, writable: true })
}

function blank(category, code) {
  return { code, category, retryable: false, attempts: 0, elapsedMs: 0 }
}

/** Messages, outermost first, as errors that cause each other. They have no stack: they came from Rust. */
function chain(messages = []) {
  return messages.reduceRight((cause, message) => {
    const link = cause ? new Error(message, { cause }) : new Error(message)
    link.stack = `Error: ${message}`
    return link
  }, undefined)
}

function messagesOf(cause) {
  const messages = []
  for (let link = cause; isError(link) && messages.length < 8; link = link.cause) messages.push(link.message)
  return messages
}

module.exports = {
  StorageError,
  InputError,
  NetworkError,
  TimeoutError,
  ThrottledError,
  AuthError,
  CircuitOpenError,
  SourceError,
  ServiceError,
  InternalError,
  blank,
  build,
  fromFailure,
  internalError,
  isFailure,
  unsupportedError,
}
