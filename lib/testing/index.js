'use strict'

const { startLocalR2 } = require('./local-r2.js')

module.exports = { startLocalR2 }
