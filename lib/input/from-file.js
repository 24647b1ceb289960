'use strict'

// Files as bodies. Which file is read, only code decides: an object that was parsed from a request cannot name one.

const { fileURLToPath } = require('node:url')
const { inputError } = require('../local-errors.js')

/** Where a body has its path. A symbol comes from no JSON, and two copies of the package share it. */
const PATH = Symbol.for('reliable-r2.path')

/** A body that is the file at `path`, which the addon reads. */
function fromFile(path) {
  const call = { operation: 'fromFile' }
  if (isFileUrl(path)) return fileAt(pathOfUrl(path, call))
  if (typeof path !== 'string') throw invalid('path must be a string or a file: URL', call)
  return fileAt(checked(path, call))
}

function fileAt(path) {
  return Object.freeze(Object.defineProperty({}, PATH, { __proto__: null, value: path, enumerable: true }))
}

/** The path of a body that is a file, or undefined for any other body. */
function pathOf(body, call) {
  if (body === null || typeof body !== 'object' || ArrayBuffer.isView(body)) return undefined
  if (isFileUrl(body)) return pathOfUrl(body, call)
  return Object.hasOwn(body, PATH) ? checked(body[PATH], call) : undefined
}

function isFileUrl(value) {
  return Object.prototype.toString.call(value) === '[object URL]' && value.protocol === 'file:'
}

function pathOfUrl(url, call) {
  try {
    return checked(fileURLToPath(url.href), call)
  } catch (cause) {
    if (cause.code === 'ERR_INVALID_BODY') throw cause
    throw invalid(`the file: URL names no file on this machine: ${cause.message}`, call, cause)
  }
}

function checked(path, call) {
  if (path !== '' && path.isWellFormed() && !path.includes('\0')) return path
  throw invalid('the path is invalid: it is empty or holds a NUL character or half a surrogate pair', call)
}

function invalid(detail, call, cause) {
  const option = call.operation === 'fromFile' ? 'path' : 'body'
  return inputError('ERR_INVALID_BODY', option, detail, { ...call, cause })
}

module.exports = { fromFile, pathOf }
