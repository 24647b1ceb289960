'use strict'

// The only place that makes errors. Callers do so after an await of theirs, which puts the frames of the
// code that called us onto the stack.

// Two copies of the package (a monorepo, a bundler's doing) have two classes; they share this.
const BRAND = Symbol.for('reliable-r2.StorageError')

/** As of the category `internal`. */
const UNEXPECTED = 'Something unexpected went wrong during the upload. Please try again.'

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
    super(message, 'cause' in facts ? { cause: facts.cause } : undefined)
    for (const name of FACTS) {
      // An absent fact is an absent property, so that a printed error shows only what there is.
      if (facts[name] !== undefined && facts[name] !== null) this[name] = facts[name]
    }
  }

  /** Whether `value` is an error of this class, from whatever copy of the package. */
  static isInstance(value) {
    if (value === null || typeof value !== 'object' || value[BRAND] !== true) return false
    return [StorageError, CLASS_OF[value.category], CLASS_OF_CODE[value.code]].includes(this)
  }

  toJSON() {
    const json = { name: this.name, message: this.message }
    for (const name of FACTS) if (this[name] !== undefined) json[name] = this[name]
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
const CLASS_OF_CODE = { ERR_CIRCUIT_OPEN: CircuitOpenError }

for (const Class of new Set([...Object.values(CLASS_OF), ...Object.values(CLASS_OF_CODE)])) {
  Object.defineProperty(Class.prototype, 'name', { value: Class.name, configurable: true, writable: true })
}
Object.defineProperty(StorageError.prototype, BRAND, { value: true })

/** A failure of the native part, as an error. */
function fromFailure(failure) {
  const { message, causes, ...facts } = failure
  const cause = chain(causes)
  return build(message, cause ? { ...facts, cause } : facts, fromFailure)
}

/**
 * Input that is refused before anything is sent. `option` is its path as the caller wrote it; `detail`
 * says what is allowed and never repeats the value, which may be a secret.
 */
function inputError(code, option, detail, { operation, key, cause } = {}) {
  const facts = { ...made('input', code), operation, key, option }
  const message = `${operation ? `${operation} failed: ` : ''}${code}: ${detail}`
  return build(message, cause === undefined ? facts : { ...facts, cause }, inputError)
}

/** An attempt of `retryWithBackoff` that did not end in time. */
function attemptTimeout(timeoutMs, attempts, elapsedMs) {
  const facts = { ...made('timeout', 'ETIMEDOUT'), retryable: true, attempts, elapsedMs, operation: 'retryWithBackoff' }
  return build(`ETIMEDOUT: timeout: attempt ${attempts} did not end within ${timeoutMs} ms`, facts, attemptTimeout)
}

function closedError(operation, key) {
  const facts = { ...made('aborted', 'ERR_CLOSED'), operation, key }
  return build(`${operation} failed: ERR_CLOSED: the storage is closed`, facts, closedError)
}

/** What the native part, which answers with values, threw or rejected with: a bug of ours. */
function internalError(operation, key, cause) {
  // The native part is not asked for its sentence: it may be that which broke off.
  const facts = { ...blank('internal', 'ERR_INTERNAL'), userMessage: UNEXPECTED, operation, key, cause }
  const message = `${operation ? `${operation} failed: ` : ''}ERR_INTERNAL: the native part broke off; please report this`
  return build(message, facts, internalError)
}

function unsupportedError(message, { platform, arch, libc, cause }) {
  const facts = {
    ...blank('internal', 'ERR_UNSUPPORTED'),
    // The sentences live in the native part, which is what is missing here.
    userMessage: 'Uploads are not available on this server. Please contact the operator of this site.',
    cause,
  }
  return Object.assign(build(message, facts, unsupportedError), { platform, arch }, libc && { libc })
}

/** The sentence for the person in front of the page. */
function userMessageOf(error) {
  if (StorageError.isInstance(error)) return error.userMessage
  // The reasons that an AbortSignal has of itself.
  if (error?.name === 'AbortError') return userMessage('aborted', 'ERR_ABORTED')
  return error?.name === 'TimeoutError' ? userMessage('timeout', 'ETIMEDOUT') : userMessage('internal', 'ERR_INTERNAL')
}

function build(message, facts, from) {
  const error = new (CLASS_OF_CODE[facts.code] ?? CLASS_OF[facts.category] ?? StorageError)(message, facts)
  Error.captureStackTrace?.(error, from)
  return error
}

function made(category, code) {
  return { ...blank(category, code), userMessage: userMessage(category, code) }
}

function blank(category, code) {
  return { code, category, retryable: false, attempts: 0, elapsedMs: 0 }
}

function userMessage(category, code) {
  // Required late: load.js needs this file to say that it has failed.
  return require('./load.js').userMessage(category, code)
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
  for (let link = cause; link instanceof Error && messages.length < 8; link = link.cause) messages.push(link.message)
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
  attemptTimeout,
  closedError,
  fromFailure,
  inputError,
  internalError,
  unsupportedError,
  userMessageOf,
}
