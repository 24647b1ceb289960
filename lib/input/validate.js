'use strict'

// Reading objects whose names and types are not to be trusted. A reader takes (value, path, call) and gives
// the value to use, or throws an InputError that names the path; with a code of its own where one is given.

const { inputError } = require('../local-errors.js')
const { isPlain, property } = require('../own-properties.js')

const asIs = (value) => value
const text = reader('a string', (value) => typeof value === 'string', checkedText)

/**
 * Reads each known field once, into an object without a prototype; null and undefined are absent; an unknown name is a
 * mistake.
 */
function readObject(fields, given, name, call, prefix = '') {
  if (given === null || typeof given !== 'object' || Array.isArray(given)) {
    throw invalid(name, `${name} must be an object, not ${typeName(given)}`, call)
  }
  const names = Object.keys(given)
  const options = Object.keys(fields).filter((field) => typeof fields[field] !== 'string')
  for (const unknown of names) {
    if (Object.hasOwn(fields, unknown)) continue
    const shown = shorten(prefix + unknown)
    throw invalid(shown, `${shown} is not an option${hintFor(unknown, options)}`, call)
  }
  const read = Object.create(null)
  // An object of a class may have what is asked for from the class; a plain one has only its own.
  for (const field of isPlain(given) ? names : Object.keys(fields)) {
    const value = property(given, field)
    if (value === undefined || value === null) continue
    const target = typeof fields[field] === 'string' ? fields[field] : field
    const accepted = fields[target](value, prefix + field, call)
    if (accepted === undefined) continue
    if (Object.hasOwn(read, target)) {
      const alias = names.find((name) => fields[name] === target)
      throw invalid(prefix + alias, `${prefix + alias} is another name of ${target}; give one of them`, call)
    }
    read[target] = accepted
  }
  return read
}

function reader(allowed, accepts, finish = asIs) {
  return (value, path, call, code) => {
    if (!accepts(value)) throw invalid(path, `${path} must be ${allowed}, not ${typeName(value)}`, call, code)
    return finish(value, path, call, code)
  }
}

/** Half a surrogate pair would become U+FFFD on the way: another key than the caller's, without a word. */
function checkedText(value, path, call, code) {
  if (!value.isWellFormed())
    throw invalid(path, `${path} must be well-formed Unicode; it holds half a surrogate pair`, call, code)
  return value
}

function coded(code, read) {
  return (value, path, call) => read(value, path, call, code)
}

function textList(value, path, call) {
  if (!Array.isArray(value)) throw invalid(path, `${path} must be an array of strings, not ${typeName(value)}`, call)
  return Array.from(value, (item, index) => text(item, `${path}[${index}]`, call))
}

function textRecord(value, path, call) {
  const isList = typeof value === 'object' && typeof property(value, 'entries') === 'function' && !Array.isArray(value)
  // What a class keeps elsewhere would be left out, and nothing would say so: a Date, or Headers of a polyfill.
  const isArray = Array.isArray(value)
  const isOpaque = typeof value === 'object' && !isArray && !isPlain(value) && Object.keys(value).length === 0
  if (typeof value !== 'object' || isArray || isList || isOpaque) {
    const hint = isList ? ': pass Object.fromEntries(...) of it' : ''
    throw invalid(
      path,
      `${path} must be an object of strings, not ${isOpaque ? 'an object of a class' : typeName(value)}${hint}`,
      call,
    )
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

function invalid(option, detail, call, code = 'ERR_INVALID_OPTION') {
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

/** What other libraries call what is here. */
const ALIASES = {
  acl: 'headers',
  cdnUrl: 'domain',
  credentials: 'accessKey',
  expiresIn: 'expiresInSeconds',
  file: 'body',
  maxAttempts: 'retry',
  maxRetries: 'maxAttempts',
  publicBaseUrl: 'domain',
  publicUrl: 'domain',
  retries: 'maxAttempts',
  timeoutMs: 'timeout',
}
const ELSEWHERE = { body: 'uploadFile takes one', url: 'downloadAndUpload takes one', timeout: 'retry takes one' }

function hintFor(name, known) {
  const alias = Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined
  if (known.includes(alias)) return `; did you mean '${alias}'?`
  const near = didYouMean(name, known)
  if (near) return near
  return Object.hasOwn(ELSEWHERE, name) ? `; ${ELSEWHERE[name]}` : `; there are ${known.join(', ')}`
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

module.exports = { asIs, coded, didYouMean, invalid, readObject, reader, text, textList, textRecord, typeName }
