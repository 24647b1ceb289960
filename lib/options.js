'use strict'

// The shape of what callers give: names and types. Ranges, formats and defaults are the core's.

const native = require('./load.js')
const { isAbortSignal } = require('./abort.js')
const { fromFailure, inputError } = require('./errors.js')
const { levels, logFormats } = require('./loggers.js')
const { nameOfPreset, presetNames } = require('./presets.js')
const { asIs, coded, didYouMean, invalid, readObject, reader, text, textList, textRecord } = require('./shape.js')

/** Each field has a reader; see shape.js. */
const number = reader('a number', (value) => typeof value === 'number')
const flag = reader('true or false', (value) => typeof value === 'boolean')
const callback = reader('a function', (value) => typeof value === 'function')
const signal = reader('an AbortSignal', isAbortSignal)
/** The empty string is how forms, `File.type` and `process.env.X || ''` say that there is nothing. */
const optionalText = (value, path, call) => (value === '' ? undefined : text(value, path, call))
const key = coded('ERR_INVALID_KEY', text)
const url = coded('ERR_INVALID_URL', (value, path, call, code) =>
  asNodeReads(text(Object.prototype.toString.call(value) === '[object URL]' ? value.href : value, path, call, code)),
)

const RETRY = {
  preset: presetName,
  maxAttempts: number,
  initialDelayMs: number,
  maxDelayMs: number,
  timeout: number,
  timeoutGrowth: number,
  deadlineMs: number,
  jitter: text,
}

const STORAGE = {
  endpoint: optionalText,
  region: optionalText,
  accessKey: optionalText,
  secretKey: optionalText,
  sessionToken: optionalText,
  bucket: optionalText,
  domain: optionalText,
  endpoints,
  profile: text,
  maxDurationMs: number,
  hedging: flag,
  allowHttp: flag,
  caCertificates: textList,
  retry,
  // The name that this field had before there was a package.
  retryOptions: retry,
  verifyEtag: flag,
  connectTimeoutMs: number,
  stallTimeoutMs: number,
  allowPrivateNetworks: flag,
  allowedHosts: textList,
  maxBytes: number,
  concurrency: number,
  maxConnections: number,
  multipartThresholdBytes: number,
  partSizeBytes: number,
  partConcurrency: number,
}
/** What a storage tells, and to whom. */
const SIGNALS = {
  logger,
  logLevel: oneOf(levels),
  logFormat: oneOf(logFormats),
  openTelemetry: flag,
}

const ENDPOINT = {
  endpoint: optionalText,
  region: optionalText,
  accessKey: optionalText,
  secretKey: optionalText,
  sessionToken: optionalText,
  bucket: optionalText,
  domain: optionalText,
}

const OBJECT = {
  key,
  bucket: optionalText,
  contentType: optionalText,
  disposition: optionalText,
  cacheControl: optionalText,
  storageClass: optionalText,
  headers: textRecord,
  metadata: textRecord,
  retry,
  verifyEtag: flag,
  ifNoneMatch: text,
  ifMatch: text,
  expires: date,
  compress: text,
  sha256: flag,
}
const OBSERVERS = { signal, onProgress: callback, onRetry: callback, checkpoint }
const SOURCE = { url, sourceHeaders: textRecord, maxBytes: number, allowPrivateNetworks: flag, allowedHosts: textList }

const UPLOAD = { body: asIs, contentLength: length, maxBytes: length, ...OBJECT, ...OBSERVERS }
const DOWNLOAD = { ...SOURCE, ...OBJECT, ...OBSERVERS }
const OBJECT_CALL = { key, bucket: optionalText, retry, signal, onRetry: callback }
const READ = { ...OBJECT_CALL, range, verifyEtag: flag }
const LIST = {
  prefix: optionalText,
  startAfter: optionalText,
  pageSize: number,
  bucket: optionalText,
  retry,
  signal,
  onRetry: callback,
}
const CLEANUP = { prefix: optionalText, olderThan: date, bucket: optionalText, retry, signal, onRetry: callback }
const RECONCILE = { prefix: optionalText, keep: flag, retry, signal, onRetry: callback }
const PRESIGN = {
  key,
  bucket: optionalText,
  method: text,
  expiresInSeconds: number,
  contentType: optionalText,
  disposition: optionalText,
}
const ADDRESS = { key, bucket: optionalText }
const LOOP = { ...RETRY, signal, onRetry: callback }
const BATCH = { concurrency: number, signal }

/** `config` of `newStorage`: { options for the native part, signals }. */
function readStorageConfig(config) {
  const call = { operation: 'newStorage' }
  const given = readObject({ ...STORAGE, ...SIGNALS }, config ?? {}, 'config', call)
  const signals = pick(SIGNALS, given)
  const { retryOptions, ...options } = pick(STORAGE, given)
  if (signals.logFormat && signals.logger) {
    throw invalid('logFormat', 'logFormat is for the console; a logger has a format of its own', call)
  }
  if (retryOptions !== undefined) {
    if (options.retry !== undefined) {
      throw invalid('retryOptions', 'retryOptions is another name of retry; give one of them', call)
    }
    options.retry = retryOptions
  }
  const failure = native.checkStorageOptions(options)
  if (failure) throw fromFailure(failure)
  return { options, signals }
}

/** Options of `uploadFile`: { body, contentLength, maxBytes, object, observers }, the fourth as the native part takes it. */
function readUpload(options, call) {
  const given = readObject(UPLOAD, options, 'options', call)
  requireKey(given, call)
  const { body, contentLength, maxBytes } = given
  return { body, contentLength, maxBytes, object: objectOf(given), observers: pick(OBSERVERS, given) }
}

function readDownload(options, call) {
  const given = readObject(DOWNLOAD, options, 'options', call)
  if (given.url === undefined) throw inputError('ERR_INVALID_URL', 'url', 'url is missing', call)
  requireKey(given, call)
  return { source: pick(SOURCE, given), object: objectOf(given), observers: pick(OBSERVERS, given) }
}

/** Options of `head`, `exists`, `delete` and `download`: { object, observers }. */
function readObjectCall(options, call) {
  const fields = call.operation === 'download' ? READ : OBJECT_CALL
  const { signal, onRetry, ...object } = readObject(fields, options, 'options', call)
  requireKey(object, call)
  return { object, observers: { signal, onRetry } }
}

function readList(options, call) {
  const { signal, onRetry, ...page } = readObject(LIST, options ?? {}, 'options', call)
  return { page, observers: { signal, onRetry } }
}

function readCleanup(options, call) {
  const { signal, onRetry, olderThan, ...cleanup } = readObject(CLEANUP, options ?? {}, 'options', call)
  return { cleanup: { ...cleanup, ...(olderThan && { olderThanMs: olderThan.getTime() }) }, observers: { signal, onRetry } }
}

function readReconcile(options, call) {
  const { signal, onRetry, ...reconcile } = readObject(RECONCILE, options ?? {}, 'options', call)
  return { reconcile, observers: { signal, onRetry } }
}

function readBreaker(state, endpoint, call) {
  const read = [text(state, 'state', call)]
  return endpoint === undefined ? read : [...read, text(endpoint, 'endpoint', call)]
}

function readPresign(options, call) {
  const request = readObject(PRESIGN, options, 'options', call)
  requireKey(request, call)
  return request
}

/** Options of `urlOf`. */
function readAddress(options, call) {
  const address = readObject(ADDRESS, options, 'options', call)
  requireKey(address, call)
  return address
}

function readBatch(options, call) {
  const { concurrency, signal } = readObject(BATCH, options ?? {}, 'options', call)
  const failure = concurrency === undefined ? null : native.checkStorageOptions({ concurrency })
  if (failure) {
    const { operation } = call
    const userMessage = native.userMessage(failure.category, failure.code)
    throw fromFailure({ ...failure, operation, userMessage, message: failure.message.replace(failure.operation, operation) })
  }
  return { concurrency, signal }
}

/** What `retryWithBackoff` takes: { policy, signal, onRetry }. */
function readLoop(presetOrOptions, call) {
  if (typeof presetOrOptions === 'string' || nameOfPreset(presetOrOptions)) {
    return { policy: retry(presetOrOptions, 'retry', call) }
  }
  const { signal, onRetry, ...policy } = readObject(LOOP, presetOrOptions ?? {}, 'retry', call, 'retry.')
  return { policy, signal, onRetry }
}

function retry(value, path, call) {
  const name = nameOfPreset(value)
  if (name !== undefined) return { preset: name }
  if (typeof value === 'object') return readObject(RETRY, value, path, call, `${path}.`)
  return { preset: presetName(value, path, call) }
}

function endpoints(value, path, call) {
  if (!Array.isArray(value)) throw invalid(path, `${path} must be an array of endpoints, the primary first`, call)
  return Array.from(value, (item, index) => readObject(ENDPOINT, item, `${path}[${index}]`, call, `${path}[${index}].`))
}

/**
 * A host in another script is the one that Node, and so the caller's own checks, takes it for: the native part's Unicode
 * may be of another version. What parsers forgive stays as it is, to be refused.
 */
function asNodeReads(url) {
  const foreign = /[^\0-\x7f]/.test(url) && !/[\s\\\p{Cc}]/u.test(url) && URL.canParse(url)
  return foreign ? new URL(url).href : url
}

function range(value, path, call) {
  return readObject({ start: number, end: number }, value, path, call, `${path}.`)
}

function presetName(value, path, call) {
  if (presetNames.includes(value)) return value
  const near = typeof value === 'string' ? didYouMean(value, presetNames) : ''
  throw invalid(path, `${path} must name a preset ('${presetNames.join("', '")}') or be an object of retry options${near}`, call)
}

function logger(value, path, call) {
  if (value === false) return false
  const sound = (method) => value[method] === undefined || value[method] === null || typeof value[method] === 'function'
  if (value !== null && typeof value === 'object' && ['debug', 'info', 'warn', 'error'].every(sound)) return value
  throw invalid(path, `${path} must be an object with the methods debug, info, warn and error (each may be absent), or false`, call)
}

function oneOf(names) {
  return (value, path, call) => {
    if (names.includes(value)) return value
    const near = typeof value === 'string' ? didYouMean(value, names) : ''
    throw invalid(path, `${path} must be one of '${names.join("', '")}'${near}`, call)
  }
}

function length(value, path, call) {
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw invalid(path, `${path} must be a whole number of bytes`, call)
}

function date(value, path, call) {
  const read = typeof value === 'string' ? new Date(value) : value
  const sound = Object.prototype.toString.call(read) === '[object Date]' && !Number.isNaN(Number(read))
  if (sound) return read
  throw invalid(path, `${path} must be a valid Date, or a string that is one`, call)
}

/** A path, or a Map and what is like one. */
function checkpoint(value, path, call) {
  const isStore = typeof value === 'object' && ['get', 'set', 'delete'].every((method) => typeof value[method] === 'function')
  if (isStore || (typeof value === 'string' && value !== '' && !value.includes('\0'))) return value
  throw invalid(path, `${path} must be the path of a file, or an object with the methods get, set and delete`, call)
}

/** As the native part takes it. */
function objectOf(given) {
  const object = pick(OBJECT, given)
  if (object.expires === undefined) return object
  const { expires, ...rest } = object
  return { ...rest, expiresMs: expires.getTime() }
}

function requireKey(given, call) {
  if (given.key === undefined) throw inputError('ERR_INVALID_KEY', 'key', 'key is missing', call)
}

function pick(fields, given) {
  const picked = {}
  for (const name in given) if (name in fields) picked[name] = given[name]
  return picked
}

module.exports = {
  readAddress,
  readBatch,
  readBreaker,
  readCleanup,
  readDownload,
  readList,
  readLoop,
  readObjectCall,
  readPresign,
  readReconcile,
  readStorageConfig,
  readUpload,
}
