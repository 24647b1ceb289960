'use strict'

const { VERSION } = require('../native/index.js')
const { inputError } = require('../local-errors.js')
const { asIs, readObject, reader, text } = require('../input/validate.js')
const responses = require('./responses.js')
const { Session } = require('./session.js')
const { viewOf } = require('./view.js')

const call = { operation: 'dashboard' }
const LARGEST_FORM_BYTES = 4096
const SHORTEST_TOKEN = 16
/** By the frequencies of its characters. A word twice has fewer, 16 random digits in hex are about as many. */
const FEWEST_BITS = 48

const OPTIONS = { token: text, authorize: reader('a function', (value) => typeof value === 'function', asIs) }

/** The handlers of the route. Whoever is not let in gets the form for the token, or nothing at all. */
function dashboard(storage, options) {
  if (typeof storage?.metrics !== 'function' || typeof storage.recentFailures !== 'function') {
    throw inputError(
      'ERR_INVALID_OPTION',
      'storage',
      'the first argument must be a storage, as newStorage() makes it',
      call,
    )
  }
  const gate = gateOf(readObject(OPTIONS, options ?? {}, 'options', call), call)

  const GET = async (request) => {
    // Read first of all: a framework that renders in advance what does not look at its request would keep, for ever,
    // the 404 of a build that has no token.
    const wantsJson = asksForJson(request)
    const refusal = await gate.refusalOf(request, wantsJson)
    if (refusal) return refusal
    return wantsJson ? responses.json(viewOf(storage, VERSION, gate.signsIn)) : responses.page()
  }
  return { GET, POST: gate.post }
}

/** Who is let in, for the routes of this entry; `call` is whose options these are. */
function gateOf({ token, authorize }, call) {
  if (token && authorize) {
    throw inputError('ERR_INVALID_OPTION', 'options', 'give either token or authorize', call)
  }
  if (authorize) return authorizeGate(authorize)
  return token ? tokenGate(token, call) : closedGate
}

/** A variable that was forgotten opens nothing. */
const closedGate = {
  signsIn: false,
  refusalOf: async () => responses.notFound(),
  post: async () => responses.notFound(),
}

function authorizeGate(authorize) {
  // What else is truthy does not open: a Response, or the function that was to be called.
  const isAllowed = async (request) => (await authorize(request)) === true
  return {
    signsIn: false,
    refusalOf: async (request) => ((await isAllowed(request)) ? undefined : responses.notFound()),
    post: async (request) => ((await isAllowed(request)) ? responses.notAllowed('GET') : responses.notFound()),
  }
}

function tokenGate(token, call) {
  if (token.length < SHORTEST_TOKEN || bitsOf(token) < FEWEST_BITS) {
    const detail = `token must have at least ${SHORTEST_TOKEN} characters, and be random: anyone may guess at it; \`openssl rand -hex 32\` makes one`
    throw inputError('ERR_INVALID_OPTION', 'token', detail, call)
  }
  const session = new Session(token)
  return {
    signsIn: true,
    refusalOf: async (request, wantsJson) => {
      const { isRight, waitMs } = session.check(request)
      if (isRight) return undefined
      if (waitMs > 0) return responses.tooManyGuesses(waitMs, wantsJson)
      return wantsJson ? responses.unauthorized() : responses.login()
    },
    post: async (request) => {
      const form = await readForm(request)
      // Somebody else's page could sign people out, which is a nuisance. Signing in takes the token.
      const isOurs = request.headers.get('sec-fetch-site') !== 'cross-site'
      if (isOurs && form?.has('signOut')) return responses.backToPage(request, session.end(request))
      const { isRight, waitMs } = session.checkToken(request, form?.get('token'))
      if (isRight) return responses.backToPage(request, session.begin(request))
      return waitMs > 0 ? responses.tooManyGuesses(waitMs, false) : responses.login({ wrong: true })
    },
  }
}

/** How many bits a text has at most, if its characters were drawn at random. */
function bitsOf(text) {
  const counts = new Map()
  for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values()) bits -= count * Math.log2(count / text.length)
  return bits
}

function asksForJson(request) {
  const accepted = request.headers.get('accept') ?? ''
  if (accepted.includes('application/json') && !accepted.includes('text/html')) return true
  return new URL(request.url, 'http://localhost').searchParams.get('format') === 'json'
}

/** The fields of a small form; undefined for anything else. Whoever sends it has shown no token yet. */
async function readForm(request) {
  const type = request.headers.get('content-type') ?? ''
  if (!type.startsWith('application/x-www-form-urlencoded') || !request.body) return undefined
  const chunks = []
  let size = 0
  for await (const chunk of request.body) {
    size += chunk.byteLength
    if (size > LARGEST_FORM_BYTES) return undefined
    chunks.push(chunk)
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'))
}

module.exports = { OPTIONS, dashboard, gateOf }
