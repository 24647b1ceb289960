'use strict'

const { breakerOpen, failuresAbove, p99Above, retryRateAbove, standardRules, successRateBelow } = require('./rules.js')
const { watch } = require('./watch.js')

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
