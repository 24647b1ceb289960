'use strict'

/** From the least to the most; `silent` is above all. */
const levels = Object.freeze(['debug', 'info', 'warn', 'error', 'silent'])
const logFormats = Object.freeze(['pretty', 'json'])

const isProduction = () => process.env.NODE_ENV === 'production'

module.exports = { isProduction, levels, logFormats }
