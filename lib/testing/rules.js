'use strict'

// Which request meets which fault: exactly as often as asked, or by chance that a seed repeats. The first rule that
// matches and has times left acts.

const { validateHeaderName, validateHeaderValue } = require('node:http')
const { own } = require('../own-properties.js')
const { Draw, mixed } = require('./draw.js')

const isCount = (value) => Number.isInteger(value) && value >= 0
const isPositive = (value) => Number.isInteger(value) && value > 0
const isStatus = (value) => Number.isInteger(value) && value >= 200 && value <= 999
const isText = (value) => typeof value === 'string'
const isHeaders = (value) => value !== null && typeof value === 'object' && Object.entries(value).every(isHeader)
const isHeader = ([name, value]) => {
  try {
    validateHeaderName(name)
    validateHeaderValue(name, value)
    return isText(value)
  } catch {
    return false
  }
}
const required = (check) => Object.assign((value) => check(value), { required: true })
const oneOf =
  (...values) =>
  (value) =>
    values.includes(value)

/** Parameters of each fault, with what they must be. */
const FAULTS = {
  refuse: {},
  down: {},
  reset: { afterBytes: isCount },
  fin: { afterBytes: isCount },
  hang: { forMs: isCount },
  status: {
    status: required(isStatus),
    code: required(isText),
    message: isText,
    retryAfter: isText,
    date: isText,
    headers: isHeaders,
  },
  earlyStatus: { status: required(isStatus), code: required(isText), message: isText },
  slow: { bytesPerSecond: required(isPositive) },
  delay: { ms: required(isCount) },
  corrupt: {},
  dropResponse: {},
  garbage: {},
  partialHead: {},
  badEtag: {},
  truncate: {},
  stallResponse: {},
  stopReading: { afterBytes: isCount },
  raw: { text: required(isText), bytesPerSecond: isPositive, then: oneOf('keepAlive', 'close', 'reset') },
  mix: {},
}

/** Which requests meet it. */
const SELECTION = {
  times: isCount,
  skip: isCount,
  method: isText,
  keyContains: isText,
  chance: (value) => typeof value === 'number' && value >= 0 && value <= 1,
  seed: isCount,
}

const AT_CONNECTION = ['refuse', 'down']

function check(rule) {
  const name = rule.fault
  if (!Object.hasOwn(FAULTS, name ?? '')) {
    throw new TypeError(`fault must be one of ${Object.keys(FAULTS).join(', ')}`)
  }
  const known = { ...FAULTS[name], ...SELECTION }
  for (const [field, value] of Object.entries(rule)) {
    if (field === 'fault' || value === undefined) continue
    if (!Object.hasOwn(known, field))
      throw new TypeError(`the fault ${name} has no ${field}; it has ${Object.keys(known).join(', ')}`)
    if (!known[field](value)) throw new TypeError(`${field} of the fault ${name} is out of its range`)
  }
  for (const [field, check] of Object.entries(FAULTS[name])) {
    if (Object.hasOwn(check, 'required') && rule[field] === undefined)
      throw new TypeError(`the fault ${name} needs ${field}`)
  }
}

/** A rule in force. */
class Armed {
  constructor(rule) {
    this.rule = rule
    this.skip = rule.skip ?? 0
    this.left = rule.times ?? Infinity
    /** Draws so far, by what they were for. */
    this.drawn = new Map()
  }

  /** The fault that a request meets by this rule, if any. */
  strike(method, key) {
    const { rule } = this
    const matches = (rule.method ?? method).toUpperCase() === method && key.includes(rule.keyContains ?? '')
    if (!matches) return undefined
    const draw = rule.chance !== undefined || rule.fault === 'mix' ? this.draw(`${method} ${key}`) : undefined
    if (rule.chance !== undefined && draw.unit() >= rule.chance) return undefined
    const fault = rule.fault === 'mix' ? own(mixed(draw)) : rule
    return this.count() ? fault : undefined
  }

  /** The same for a connection. */
  strikeConnection() {
    const { rule } = this
    if (rule.chance !== undefined && this.draw('').unit() >= rule.chance) return undefined
    return this.count() ? rule : undefined
  }

  count() {
    if (this.skip > 0) {
      this.skip -= 1
      return false
    }
    if (this.left === 0) return false
    this.left -= 1
    return true
  }

  draw(name) {
    const nth = (this.drawn.get(name) ?? 0) + 1
    this.drawn.set(name, nth)
    return new Draw(this.rule.seed ?? 0, name, nth)
  }
}

/** The rules in force. */
class FaultPlan {
  #rules = []

  /** @throws {TypeError} for a rule that is none; the rules before stay in force then. */
  set(rules) {
    if (!Array.isArray(rules)) throw new TypeError('faults takes an array of rules')
    const given = rules.map((rule) => own(rule))
    given.forEach(check)
    this.#rules = given.map((rule) => new Armed(rule))
  }

  get meetsConnections() {
    return this.#rules.some(({ rule }) => AT_CONNECTION.includes(rule.fault))
  }

  forConnection() {
    return first(
      this.#rules.filter(({ rule }) => AT_CONNECTION.includes(rule.fault)),
      (armed) => armed.strikeConnection(),
    )
  }

  forRequest(method, key) {
    return first(
      this.#rules.filter(({ rule }) => !AT_CONNECTION.includes(rule.fault)),
      (armed) => armed.strike(method, key),
    )
  }
}

/** What the first gives that gives anything; the others are not asked. */
function first(list, of) {
  for (const item of list) {
    const found = of(item)
    if (found) return found
  }
  return undefined
}

module.exports = { FaultPlan }
