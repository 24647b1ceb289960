'use strict'

const { createHash, createHmac, timingSafeEqual } = require('node:crypto')
const { Guesses, clientOf } = require('./guesses.js')

const COOKIE = 'reliable_r2_dashboard'
const LASTS_SECONDS = 12 * 60 * 60

/**
 * Who has shown the token. The cookie holds when it ends and a proof made with the token: nothing is kept here, every
 * process with the same token accepts it, and a new token ends them all.
 */
class Session {
  #token
  #guesses = new Guesses()

  constructor(token) {
    this.#token = token
  }

  /** Whether a request shows the token, or a cookie of a session. */
  check(request) {
    const [scheme, credentials] = (request.headers.get('authorization') ?? '').split(' ')
    if (scheme.toLowerCase() === 'bearer') return this.checkToken(request, credentials)
    // A cookie can be made of a guessed token, so that it is a guess as well.
    const cookies = cookiesOf(request).filter((value) => endOf(value) * 1000 > Date.now())
    return this.#compare(
      request,
      cookies.map((value) => [value, this.#proof(endOf(value))]),
    )
  }

  checkToken(request, given) {
    return this.#compare(request, given ? [[given, this.#token]] : [])
  }

  #compare(request, pairs) {
    const client = clientOf(request)
    for (const [given, right] of pairs) {
      const waitMs = this.#guesses.waitMs(client)
      if (waitMs > 0) return { isRight: false, waitMs }
      if (same(given, right)) return { isRight: true, waitMs: 0 }
      this.#guesses.count(client, given)
    }
    return { isRight: false, waitMs: 0 }
  }

  begin(request) {
    const ends = Math.floor(Date.now() / 1000) + LASTS_SECONDS
    return cookie(request, this.#proof(ends), LASTS_SECONDS)
  }

  end(request) {
    return cookie(request, '', 0)
  }

  #proof(ends) {
    return `${ends}.${createHmac('sha256', this.#token).update(`reliable-r2 dashboard until ${ends}`).digest('hex')}`
  }
}

/** When the session of a cookie ends, in seconds; NaN for what is no cookie of ours. */
function endOf(value) {
  return Number.parseInt(value, 10)
}

/** In a time that does not show how much of it was right. */
function same(given, wanted) {
  const digest = (value) => createHash('sha256').update(value).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}

function cookiesOf(request) {
  const pairs = (request.headers.get('cookie') ?? '').split(/; */)
  return pairs.filter((pair) => pair.startsWith(`${COOKIE}=`)).map((pair) => pair.slice(COOKIE.length + 1))
}

function cookie(request, value, maxAgeSeconds) {
  const { pathname, protocol } = addressOf(request)
  const secure = protocol === 'https:' || request.headers.get('x-forwarded-proto')?.startsWith('https')
  return `${COOKIE}=${value}; Path=${pathname}; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`
}

/** Where the browser sees the page: behind a proxy that rewrites paths, only it knows. */
function addressOf(request) {
  const referer = request.headers.get('referer')
  const { pathname, protocol } = new URL(URL.canParse(referer) ? referer : request.url, 'http://localhost')
  return { pathname: pathname.replaceAll(';', '%3B'), protocol }
}

module.exports = { Session }
