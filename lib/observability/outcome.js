'use strict'

const { StorageError } = require('../errors.js')
const { outcomeOfError } = require('../native/index.js')
const { own } = require('../own-properties.js')

/** How a call that rejects with `error` has ended: 'failed', 'rejected' or 'aborted'; src/metrics/outcome.rs decides. */
function outcomeOf(error, operation) {
  // Any other value is the reason of the caller's signal.
  if (!(error instanceof StorageError)) return 'aborted'
  const { category, code, status } = own(error)
  return outcomeOfError(operation, category, code, status)
}

module.exports = { outcomeOf }
