'use strict'

// The shape of what callers give: names and types. Ranges, formats and defaults are the core's.

const native = require('./load.js')
const { fromFailure, inputError } = require('./errors.js')
const { isAbortSignal } = require('./abort.js')
const { nameOfPreset, presetNames } = require('./presets.js')

/** A field's reader takes (value, path, call) and gives the value for the native part, or throws. */
const text = reader('a string', (value) => typeof value === 'string', checkedText)
const number = reader('a number', (value) => typeof value === 'number')
const flag = reader('true or false', (value) => typeof value === 'boolean')
const callback = reader('a function', (value) => typeof value === 'function')
const signal = reader('an AbortSignal', isAbortSignal)
/** The empty string is how forms, `File.type` and `process.env.X || ''` say that there is nothing. */
const optionalText = (value, path, call) => (value === '' ? undefined : text(value, path, call))
const key = coded('ERR_INVALID_KEY', text)
const url = coded('ERR_INVALID_URL', (value, path, call) =>
  text(Object.prototype.toString.call(value) === '[object URL]' ? value.href : value, path, call),
)
const asIs = (value) => value

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
  allowHttp: flag,
  caCertificates: textList,
  retry,
  // The name that this field had before there was a package.
  retryOptions: retry,
  verifyEtag: flag,
  connectTimeoutMs: number,
  allowPrivateNetworks: flag,
  allowedHosts: textList,
  maxBytes: number,
  concurrency: number,
  logger,
}

const OBJECT = {
  key,
  bucket: optionalText,
  contentType: optionalText,
  disposition: optionalText,
  cacheControl: optionalText,
  headers: textRecord,
  metadata: textRecord,
  retry,
  verifyEtag: flag,
}
const OBSERVERS = { signal, onProgress: callback, onRetry: callback }
const SOURCE = { url, sourceHeaders: textRecord, maxBytes: number, allowPrivateNetworks: flag, allowedHosts: textList }

const UPLOAD = { body: asIs, ...OBJECT, ...OBSERVERS }
const DOWNLOAD = { ...SOURCE, ...OBJECT, ...OBSERVERS }
const LOOP = { ...RETRY, signal, onRetry: callback }
const BATCH = { concurrency: number }

/** `config` of `newStorage`: { options for the native part, logger }. */
function readStorageConfig(config) {
  const call = { operation: 'newStorage' }
  const { logger, retryOptions, ...options } = readObject(STORAGE, config ?? {}, 'config', call)
  if (retryOptions !== undefined) {
    if (options.retry !== undefined) {
      throw invalid('retryOptions', 'retryOptions is another name of retry; give one of them', call)
    }
    options.retry = retryOptions
  }
  const failure = native.checkStorageOptions(options)
  if (failure) throw fromFailure(failure)
  return { options, logger }
}

/** Options of `uploadFile`: { body, object, observers }, the second as the native part takes it. */
function readUpload(options, call) {
  const given = readObject(UPLOAD, options, 'options', call)
  requireKey(given, call)
  return { body: given.body, object: pick(OBJECT, given), observers: pick(OBSERVERS, given) }
}

function readDownload(options, call) {
  const given = readObject(DOWNLOAD, options, 'options', call)
  if (given.url === undefined) throw inputError('ERR_INVALID_URL', 'url', 'url is missing', call)
  requireKey(given, call)
  return { source: pick(SOURCE, given), object: pick(OBJECT, given), observers: pick(OBSERVERS, given) }
}

function readBatch(options, call) {
  const { concurrency } = readObject(BATCH, options ?? {}, 'options', call)
  const failure = concurrency === undefined ? null : native.checkStorageOptions({ concurrency })
  if (failure) throw fromFailure({ ...failure, operation: call.operation })
  return { concurrency }
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

/** Reads each known field once; null and undefined are absent; an unknown name is a mistake. */
function readObject(fields, given, name, call, prefix = '') {
  if (given === null || typeof given !== 'object' || Array.isArray(given)) {
    throw invalid(name, `${name} must be an object, not ${typeName(given)}`, call)
  }
  for (const unknown of Object.keys(given)) {
    if (Object.hasOwn(fields, unknown)) continue
    const shown = shorten(prefix + unknown)
    throw invalid(shown, `${shown} is not an option${didYouMean(unknown, Object.keys(fields))}`, call)
  }
  const read = {}
  for (const [field, readField] of Object.entries(fields)) {
    const value = given[field]
    if (value === undefined || value === null) continue
    const accepted = readField(value, prefix + field, call)
    if (accepted !== undefined) read[field] = accepted
  }
  return read
}

function reader(allowed, accepts, finish = asIs) {
  return (value, path, call) => {
    if (!accepts(value)) throw invalid(path, `${path} must be ${allowed}, not ${typeName(value)}`, call)
    return finish(value, path, call)
  }
}

/** Half a surrogate pair would become U+FFFD on the way: another key than the caller's, without a word. */
function checkedText(value, path, call) {
  if (!value.isWellFormed()) throw invalid(path, `${path} must be well-formed Unicode; it holds half a surrogate pair`, call)
  return value
}

function coded(code, read) {
  return (value, path, call) => read(value, path, { ...call, code })
}

function textList(value, path, call) {
  if (!Array.isArray(value)) throw invalid(path, `${path} must be an array of strings, not ${typeName(value)}`, call)
  return Array.from(value, (item, index) => text(item, `${path}[${index}]`, call))
}

function textRecord(value, path, call) {
  if (typeof value !== 'object' || Array.isArray(value) || typeof value.entries === 'function') {
    const hint = typeof value.entries === 'function' && !Array.isArray(value) ? ': pass Object.fromEntries(...) of it' : ''
    throw invalid(path, `${path} must be an object of strings, not ${typeName(value)}${hint}`, call)
  }
  // Without a prototype '__proto__' is a name like any other.
  const record = Object.create(null)
  for (const [name, item] of Object.entries(value)) {
    const itemPath = `${path}[${JSON.stringify(shorten(name))}]`
    checkedText(name, itemPath, call)
    record[name] = text(item, itemPath, call)
  }
  return record
}

function requireKey(given, call) {
  if (given.key === undefined) throw inputError('ERR_INVALID_KEY', 'key', 'key is missing', call)
}

function pick(fields, given) {
  return Object.fromEntries(Object.keys(fields).flatMap((name) => (name in given ? [[name, given[name]]] : [])))
}

function invalid(option, detail, { code = 'ERR_INVALID_OPTION', ...call }) {
  return inputError(code, option, detail, call)
}

function typeName(value) {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object') return 'an object'
  return value === undefined ? 'undefined' : `a ${typeof value}`
}

function shorten(name) {
  const printable = name.toWellFormed().replace(/[\p{C}\u2028\u2029]/gu, '?')
  return printable.length > 60 ? `${printable.slice(0, 57)}...` : printable
}

function didYouMean(name, known) {
  const wanted = name.toLowerCase().slice(0, 60)
  const ranked = known
    .map((candidate) => [candidate, distance(wanted, candidate.toLowerCase())])
    .sort((a, b) => a[1] - b[1])
  const within = ranked.find(([candidate, edits]) => edits <= Math.max(1, Math.floor(candidate.length / 3)))
  // 'timeoutMs' for timeout, 'retryOptions' for retry.
  const longer = known.find((candidate) => wanted.startsWith(candidate.toLowerCase()))
  const found = within?.[0] ?? longer
  return found ? `; did you mean '${found}'?` : ''
}

/** Edits (insert, delete, replace) from one word to the other. */
function distance(from, to) {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= to.length; j += 1) {
      next[j] = Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1))
    }
    row = next
  }
  return row[to.length]
}

module.exports = { readBatch, readDownload, readLoop, readStorageConfig, readUpload }
