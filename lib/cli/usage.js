'use strict'

/** The command line was not understood. */
class UsageError extends Error {}

module.exports = { UsageError }
