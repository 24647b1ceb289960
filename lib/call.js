'use strict'

const { StorageError, internalError } = require('./errors.js')
const { property } = require('./own-properties.js')

/** What identifies a call in errors, events and logs. */
function describe(operation, options) {
  const text = (name) => {
    const value = property(options, name)
    return typeof value === 'string' ? value : undefined
  }
  return { __proto__: null, operation, key: text('key'), bucket: text('bucket') || undefined }
}

/** An error of a call. What the addon threw does not know which call it belongs to: see native/panic-guard.js. */
function named(error, { operation, key }) {
  if (error instanceof StorageError && error.operation !== undefined) return error
  return internalError(operation, key, error.cause ?? error)
}

module.exports = { describe, named }
