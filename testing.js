'use strict'

const { startLocalR2 } = require('./lib/testing/local-r2.js')

module.exports = { startLocalR2 }
