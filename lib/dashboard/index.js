'use strict'

const { metricsRoute } = require('./metrics-route.js')
const { dashboard } = require('./route.js')

module.exports = { dashboard, metricsRoute }
