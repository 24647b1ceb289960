'use strict'

const { createHash } = require('node:crypto')
const { isIP } = require('node:net')

/** Different wrong tokens from one client in WINDOW_MS: enough for somebody who mistypes, too few for a search. */
const MAX_GUESSES = 10
const WINDOW_MS = 5 * 60 * 1000
/** Clients that are remembered; beyond it the one that guessed longest ago is forgotten. */
const MAX_CLIENTS = 1000

/**
 * Wrong tokens, counted by client, so that nobody can try many. The same wrong token counts once: a page or a scraper that
 * still has the old one learns nothing by repeating it, and must not lock out the person who has the new one.
 */
class Guesses {
  #clients = new Map()
  #now

  constructor(now = () => performance.now()) {
    this.#now = now
  }

  get clients() {
    return this.#clients.size
  }

  /** How long a client must wait before a token of it is compared; 0 where it may try now. */
  waitMs(client) {
    const [oldest, ...others] = this.#of(client).values()
    return others.length + 1 < MAX_GUESSES ? 0 : Math.max(0, oldest + WINDOW_MS - this.#now())
  }

  count(client, token) {
    const guesses = this.#of(client)
    const digest = createHash('sha256').update(token).digest('base64url')
    if (!guesses.has(digest)) guesses.set(digest, this.#now())
    // The last of the map is the one that guessed last.
    this.#clients.delete(client)
    this.#clients.set(client, guesses)
    if (this.#clients.size > MAX_CLIENTS) this.#clients.delete(this.#clients.keys().next().value)
  }

  /** The wrong tokens of a client within the window, the oldest first, with their times. */
  #of(client) {
    const since = this.#now() - WINDOW_MS
    return new Map([...(this.#clients.get(client) ?? [])].filter(([, at]) => at > since))
  }
}

/**
 * Who a request comes from, as far as a `Request` says it: all of `X-Forwarded-For`, because a proxy appends the address
 * that it sees to what a client wrote there. A client that writes another address there does not lock out that address.
 */
function clientOf({ headers }) {
  const addresses = (headers.get('x-forwarded-for') ?? headers.get('x-real-ip') ?? '').split(',')
  return createHash('sha256')
    .update(addresses.map((address) => network(address.trim())).join())
    .digest('base64url')
}

/** The first half of an IPv6 address: one client has the other half to choose from. */
function network(address) {
  if (isIP(address) !== 6 || address.includes('.')) return address
  const [start, end] = address.split('::').map((side) => side.split(':').filter(Boolean))
  const groups = end === undefined ? start : [...start, ...Array(8 - start.length - end.length).fill('0'), ...end]
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16))
    .join(':')
}

module.exports = { Guesses, MAX_CLIENTS, MAX_GUESSES, WINDOW_MS, clientOf }
