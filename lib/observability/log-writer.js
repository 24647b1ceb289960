'use strict'

// Where log lines go, and in which form.

const { isProduction, levels } = require('../input/log-levels.js')
const { guarded } = require('../safe-callback.js')
const { own, property } = require('../own-properties.js')

/**
 * `{ wants(level), write(level, entry) }`. An entry is a `message`, the `fields` that it is made of for programs, and
 * for people some `details` and a `reason`, which in production stay out of the line unless debugging was asked for.
 */
function makeWriter(options) {
  const { logger, logLevel, logFormat } = own(options)
  if (logger === false || logLevel === 'silent') return { wants: () => false, write() {} }
  // One that throws, or rejects later, must not fail an upload.
  const send = guarded(logger ? sendTo(logger) : logFormat === 'json' ? sendJson : sendTo(console), 'the logger')
  const wants = (level) => {
    // A server's console is for what was lost; the rest is for who asks.
    const least = logLevel ?? (logger || !isProduction() ? 'info' : 'error')
    return levels.indexOf(level) >= levels.indexOf(least)
  }
  const inFull = () => !isProduction() || logLevel === 'debug'
  const write = (level, entry) => {
    if (wants(level)) send(level, own(entry), inFull)
  }
  return { wants, write }
}

function sendTo(logger) {
  if (isStructured(logger))
    return (level, { message, fields }) => property(logger, level)?.call(logger, fields, message)
  return (level, entry, inFull) =>
    property(logger, level)?.call(logger, inFull() ? entry.message + detailsOf(entry) : entry.message)
}

function sendJson(level, { message, fields }) {
  console[level](JSON.stringify({ level, time: new Date().toISOString(), msg: message, ...fields }))
}

/**
 * Whether its methods take `(fields, message)`: pino and bunyan make children and know what they are bound to, by
 * `bindings()` and `fields`. Others (winston, console) take a line.
 */
function isStructured(logger) {
  try {
    const [child, bindings, fields] = ['child', 'bindings', 'fields'].map((name) => property(logger, name))
    return (
      typeof child === 'function' && (typeof bindings === 'function' || (typeof fields === 'object' && fields !== null))
    )
  } catch {
    return false
  }
}

function detailsOf({ details = {}, reason }) {
  const list = Object.entries(details)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')
  return `${list && ` (${list})`}${reason ? `: ${reason}` : ''}`
}

module.exports = { makeWriter }
