'use strict'

// The shape of what callers give: names and types. Ranges, formats and defaults are the core's.

const native = require('../native/index.js')
const { isAbortSignal } = require('../abort.js')
const { fromFailure } = require('../errors.js')
const { inputError } = require('../local-errors.js')
const { takeBody } = require('./lifetime.js')
const { levels, logFormats } = require('./log-levels.js')
const { own, property } = require('../own-properties.js')
const { nameOfPreset, presetNames } = require('../presets.js')
const { coded, didYouMean, invalid, readObject, reader, text, textList, textRecord } = require('./validate.js')

/** Each field has a reader, or the name of the field that it is another name of; see validate.js. */
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

const ENDPOINT = {
  endpoint: optionalText,
  accountId: optionalText,
  jurisdiction: optionalText,
  region: optionalText,
  accessKey: optionalText,
  accessKeyId: 'accessKey',
  secretKey: optionalText,
  secretAccessKey: 'secretKey',
  sessionToken: optionalText,
  bucket: optionalText,
  domain: optionalText,
}

const STORAGE = {
  ...ENDPOINT,
  endpoints,
  profile: text,
  maxDurationMs: number,
  allowHttp: flag,
  caCertificates: textList,
  retry,
  retryOptions: 'retry',
  verifyIntegrity: flag,
  verifyEtag: 'verifyIntegrity',
  connectTimeoutMs: number,
  stallTimeoutMs: number,
  idleTimeoutMs: number,
  allowPrivateNetworks: flag,
  allowedHosts: textList,
  maxDownloadBytes: number,
  maxBytes: 'maxDownloadBytes',
  uploadConcurrency: number,
  concurrency: 'uploadConcurrency',
  maxConnections: number,
  multipartThresholdBytes: number,
  partSizeBytes: number,
  partConcurrency: number,
}
/** What is observed of a storage, and how. */
const OBSERVABILITY = {
  logger,
  logLevel: oneOf(levels),
  logFormat: oneOf(logFormats),
  openTelemetry: flag,
}

/** The options that become headers of an object: Rust has a row for each. */
const HEADERS = Object.fromEntries(
  native.objectHeaders().map(({ option, isDate }) => [option, isDate ? date : optionalText]),
)

const OBJECT = {
  key,
  bucket: optionalText,
  contentType: optionalText,
  ...HEADERS,
  disposition: 'contentDisposition',
  headers: textRecord,
  metadata: textRecord,
  retry,
  verifyIntegrity: flag,
  verifyEtag: 'verifyIntegrity',
  ifNoneMatch: text,
  ifMatch: text,
  compress: text,
  minBytes: number,
  sha256: flag,
}
const OBSERVERS = { signal, onProgress: callback, onRetry: callback, checkpoint }
const SOURCE = { url, sourceHeaders: textRecord, maxBytes: number, allowPrivateNetworks: flag, allowedHosts: textList }

const UPLOAD = { body: takeBody, contentLength: length, maxBytes: length, ...OBJECT, ...OBSERVERS }
const DOWNLOAD = { ...SOURCE, ...OBJECT, ...OBSERVERS }
const OBJECT_CALL = { key, bucket: optionalText, retry, signal, onRetry: callback }
const READ = { ...OBJECT_CALL, range, verifyIntegrity: flag, verifyEtag: 'verifyIntegrity', decompress: flag }
const LIST = {
  prefix: optionalText,
  startAfter: optionalText,
  pageSize: number,
  bucket: optionalText,
  retry,
  signal,
  onRetry: callback,
}
const ABORT_UPLOADS = { prefix: optionalText, olderThan: date, bucket: optionalText, retry, signal, onRetry: callback }
const RECONCILE = { prefix: optionalText, keep: flag, retry, signal, onRetry: callback }
const PRESIGN = {
  key,
  bucket: optionalText,
  method: text,
  expiresInSeconds: number,
  contentType: optionalText,
  contentDisposition: optionalText,
  disposition: 'contentDisposition',
}
const ADDRESS = { key, bucket: optionalText }
const LOOP = { ...RETRY, signal, onRetry: callback }
const BATCH = { concurrency: number, signal }

/** `config` of `newStorage`: { options for the addon, observability }. */
function readStorageConfig(config) {
  const call = { operation: 'newStorage' }
  const given = readObject({ ...STORAGE, ...OBSERVABILITY }, config ?? {}, 'config', call)
  const observability = pick(OBSERVABILITY, given)
  const options = own(pick(STORAGE, given))
  if (observability.logFormat && observability.logger) {
    throw invalid('logFormat', 'logFormat is for the console; a logger has a format of its own', call)
  }
  const failure = native.checkStorageOptions(options)
  if (failure) throw fromFailure(failure)
  return { options, observability }
}

/** Options of `uploadFile`: { body, contentLength, maxBytes, object, observers }, the fourth as the addon takes it. */
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

/** Options of `head`, `exists`, `delete` and `download`: { object, decompress, observers }. */
function readObjectCall(options, call) {
  const fields = call.operation === 'download' ? READ : OBJECT_CALL
  const given = readObject(fields, options, 'options', call)
  requireKey(given, call)
  const { signal, onRetry, decompress = true, ...object } = given
  return { object, decompress, observers: { signal, onRetry } }
}

function readList(options, call) {
  const { signal, onRetry, ...page } = readObject(LIST, options ?? {}, 'options', call)
  return { page, observers: { signal, onRetry } }
}

function readAbortUploads(options, call) {
  const { signal, onRetry, olderThan, ...request } = readObject(ABORT_UPLOADS, options ?? {}, 'options', call)
  return {
    request: { ...request, ...(olderThan && { olderThanMs: olderThan.getTime() }) },
    observers: { signal, onRetry },
  }
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

/** Options of `publicUrl`. */
function readAddress(options, call) {
  const address = readObject(ADDRESS, options, 'options', call)
  requireKey(address, call)
  return address
}

function readBatch(options, call) {
  const { concurrency, signal } = readObject(BATCH, options ?? {}, 'options', call)
  const problem = concurrency === undefined ? null : native.checkConcurrency(concurrency)
  if (problem) throw invalid('concurrency', problem, call)
  return { concurrency, signal }
}

/** What `retryWithBackoff` takes: { policy, signal, onRetry }. */
function readLoop(presetOrOptions, call) {
  if (typeof presetOrOptions === 'string' || nameOfPreset(presetOrOptions)) {
    return { policy: retry(presetOrOptions, 'retry', call), signal: undefined, onRetry: undefined }
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
 * A host in another script is the one that Node, and so the caller's own checks, takes it for: the addon's Unicode
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
  throw invalid(
    path,
    `${path} must name a preset ('${presetNames.join("', '")}') or be an object of retry options${near}`,
    call,
  )
}

function logger(value, path, call) {
  if (value === false) return false
  const sound = (method) => ['undefined', 'function'].includes(typeof (property(value, method) ?? undefined))
  if (value !== null && typeof value === 'object' && ['debug', 'info', 'warn', 'error'].every(sound)) return value
  throw invalid(
    path,
    `${path} must be an object with the methods debug, info, warn and error (each may be absent), or false`,
    call,
  )
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
  if (isCheckpointStore(value) || (typeof value === 'string' && value !== '' && !value.includes('\0'))) return value
  throw invalid(path, `${path} must be the path of a file, or an object with the methods get, set and delete`, call)
}

function isCheckpointStore(value) {
  try {
    return (
      typeof value === 'object' &&
      ['get', 'set', 'delete'].every((method) => typeof property(value, method) === 'function')
    )
  } catch {
    // A getter, or the handler of a proxy.
    return false
  }
}

/** As the addon takes it. */
function objectOf(given) {
  const object = Object.create(null)
  let headerValues
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(HEADERS, name)) (headerValues ??= Object.create(null))[name] = textOf(given[name])
    else if (Object.hasOwn(OBJECT, name)) object[name] = given[name]
  }
  if (headerValues) object.headerValues = headerValues
  return object
}

/** A date as HTTP has it. */
function textOf(value) {
  return typeof value === 'string' ? value : value.toUTCString()
}

function requireKey(given, call) {
  if (given.key === undefined) throw inputError('ERR_INVALID_KEY', 'key', 'key is missing', call)
}

function pick(fields, given) {
  const picked = Object.create(null)
  for (const name of Object.keys(given)) if (Object.hasOwn(fields, name)) picked[name] = given[name]
  return picked
}

module.exports = {
  readAddress,
  readBatch,
  readBreaker,
  readAbortUploads,
  readDownload,
  readList,
  readLoop,
  readObjectCall,
  readPresign,
  readReconcile,
  readStorageConfig,
  readUpload,
}
