'use strict'

// Every response of the route, with the headers that each must have.

const { LOGIN, PAGE, TOO_MANY_GUESSES, WRONG_TOKEN } = require('./page.generated.js')

const ALWAYS = {
  'Cache-Control': 'no-store',
  'X-Robots-Tag': 'noindex, nofollow',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  // The form's request must say which path the browser sees; nobody else gets to know.
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
}

const CLOSED = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"

/** The page's own script and style, by their hashes, and nothing else. Nothing in it makes HTML from text. */
function policyOf({ scripts, styles }) {
  const directives = [
    CLOSED,
    `script-src ${scripts.join(' ') || "'none'"}`,
    `style-src ${styles.join(' ')}`,
    "connect-src 'self'",
    'img-src data:',
    "form-action 'self'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ]
  return directives.join('; ')
}

const POLICY_OF_PAGE = policyOf(PAGE)
const POLICY_OF_LOGIN = policyOf(LOGIN)

function page() {
  return html(200, PAGE.html, POLICY_OF_PAGE)
}

function login({ wrong = false } = {}) {
  return html(401, wrong ? WRONG_TOKEN.html : LOGIN.html, POLICY_OF_LOGIN)
}

function json(value) {
  return respond(200, JSON.stringify(value), 'application/json')
}

/** For Prometheus, in the OpenMetrics format. */
function metrics(text) {
  return respond(200, text, 'application/openmetrics-text; version=1.0.0; charset=utf-8')
}

function unauthorized() {
  const body = JSON.stringify({ error: 'Send the token as Authorization: Bearer.' })
  return respond(401, body, 'application/json', { 'WWW-Authenticate': 'Bearer' })
}

/** The token was not compared, even if it was the right one. */
function tooManyGuesses(waitMs, wantsJson) {
  const seconds = Math.ceil(waitMs / 1000)
  const headers = { 'Retry-After': String(seconds) }
  if (!wantsJson) return html(429, TOO_MANY_GUESSES.html, POLICY_OF_LOGIN, headers)
  return respond(
    429,
    JSON.stringify({ error: `Too many wrong tokens. Try again in ${seconds} s.` }),
    'application/json',
    headers,
  )
}

function notFound() {
  return respond(404, 'Not found\n', 'text/plain; charset=utf-8')
}

function notAllowed(allowed) {
  return respond(405, 'Method not allowed\n', 'text/plain; charset=utf-8', { Allow: allowed })
}

/** To the same page by GET. Relative: what is before the last segment, only the browser knows. */
function backToPage(request, cookie) {
  const last = new URL(request.url, 'http://localhost').pathname.split('/').at(-1)
  return respond(303, null, undefined, { Location: `./${last}`, 'Set-Cookie': cookie })
}

function html(status, body, policy, headers) {
  return respond(status, body, 'text/html; charset=utf-8', { 'Content-Security-Policy': policy, ...headers })
}

function respond(status, body, type, headers = {}) {
  const own = type ? { 'Content-Type': type, 'Content-Security-Policy': CLOSED } : { 'Content-Security-Policy': CLOSED }
  return new Response(body, { status, headers: { ...ALWAYS, ...own, ...headers } })
}

module.exports = { backToPage, json, login, metrics, notAllowed, notFound, page, tooManyGuesses, unauthorized }
