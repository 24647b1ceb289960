'use strict'

const { breakerOpen, failuresAbove, p99Above, retryRateAbove, standardRules, successRateBelow } = require('./lib/alert-rules.js')
const { watch } = require('./lib/alert-watch.js')

// One literal of plain identifiers: that is what Node's lexer and bundlers can read named exports from.
module.exports = {
  breakerOpen,
  failuresAbove,
  p99Above,
  retryRateAbove,
  standardRules,
  successRateBelow,
  watch,
}
