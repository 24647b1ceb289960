'use strict'

const { StorageError } = require('./errors.js')
const { property } = require('./own-properties.js')

const MAX_LINKS = 8

/**
 * What can be read of an error and of its causes, outermost first, for the addon to judge. Foreign
 * errors are read with care: their properties may be getters that throw.
 */
function factsOf(error) {
  const facts = []
  const seen = new Set()
  const visit = (link) => {
    if (link === undefined || link === null || facts.length >= MAX_LINKS || seen.has(link)) return
    seen.add(link)
    facts.push(typeof link === 'object' || typeof link === 'function' ? linkFacts(link) : { message: String(link) })
    // An AggregateError (both address families refused) has its causes side by side.
    const nested = get(link, 'errors')
    if (Array.isArray(nested)) nested.forEach(visit)
    visit(get(link, 'cause'))
  }
  visit(error)
  return facts
}

function linkFacts(link) {
  return present({
    name: string(get(link, 'name')),
    code: string(get(link, 'code')),
    message: string(get(link, 'message')),
    status: statusOf(link),
    retryAfter: retryAfterOf(link),
  })
}

/** fetch wrappers say status, got and node-postgres statusCode, AWS SDKs $metadata, axios response. */
function statusOf(link) {
  const candidates = [
    get(link, 'status'),
    get(link, 'statusCode'),
    get(get(link, '$metadata'), 'httpStatusCode'),
    get(get(link, 'response'), 'status'),
    get(get(link, 'response'), 'statusCode'),
  ]
  return candidates.find((value) => typeof value === 'number')
}

function retryAfterOf(link) {
  if (link instanceof StorageError) return link.retryAfterMs ? String(Math.ceil(link.retryAfterMs / 1000)) : undefined
  const candidates = [link, get(link, 'response'), get(link, '$response')].map((holder) =>
    headerOf(get(holder, 'headers')),
  )
  return candidates.find((value) => value !== undefined)
}

function headerOf(headers) {
  const read = get(headers, 'get')
  const value =
    typeof read === 'function' ? attempt(() => read.call(headers, 'retry-after')) : get(headers, 'retry-after')
  return string(typeof value === 'number' ? String(value) : value)
}

function get(holder, name) {
  return holder === undefined || holder === null ? undefined : attempt(() => property(holder, name))
}

function attempt(read) {
  try {
    return read()
  } catch {
    return undefined
  }
}

function string(value) {
  // A message may be a whole page of HTML; nothing past its beginning counts.
  return typeof value === 'string' ? value.slice(0, 300) : undefined
}

function present(facts) {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined))
}

module.exports = { factsOf }
