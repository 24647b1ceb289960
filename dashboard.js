'use strict'

const { dashboard } = require('./lib/dashboard/route.js')

module.exports = { dashboard }
