'use strict'

// Reads an object as browsers do: by its public address, without credentials.

const PATIENCE_MS = 10_000

/** Finds out whether `url`, an address below STORAGE_DOMAIN, gives `expected`. Gives what it found, or throws with `advice`. */
async function readPublicly(url, expected) {
  const response = await get(url)
  const { status, headers } = response
  if (status >= 300 && status < 400)
    throw problem(
      `${originOf(url)} responds with ${status}, a redirect to ${originOf(headers.get('location'), url)}`,
      adviceOnRedirect(url, headers.get('location')),
    )
  if (status !== 200) throw problem(`${originOf(url)} responds with ${status}`, adviceOnStatus(url, status))
  const bytes = Buffer.from(await response.arrayBuffer())
  if (!bytes.equals(expected)) {
    const type = headers.get('content-type') ?? 'no content type'
    throw problem(
      `${originOf(url)} gives ${bytes.length} other bytes (${type})`,
      'The domain shows something else than this bucket: a site, another bucket, or what a cache keeps. Compare STORAGE_DOMAIN with the custom domain of the bucket (R2, Settings).',
    )
  }
  const cache = headers.get('cf-cache-status')
  const text = `the same bytes by ${originOf(url)}${cache ? `, cache ${cache}` : ''}`
  const warning = hintOf(url)
  return warning ? { text, warning } : text
}

async function get(url) {
  try {
    return await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(PATIENCE_MS) })
  } catch (error) {
    const code = error.name === 'TimeoutError' ? 'ETIMEDOUT' : (error.cause?.code ?? error.cause?.errors?.[0]?.code)
    throw Object.assign(new Error(`${originOf(url)} cannot be reached${code ? `: ${code}` : ''}`), {
      code,
      advice: await adviceOnFault(url, code),
    })
  }
}

/** Which of http and https the host speaks, where it is not the one that is written in STORAGE_DOMAIN. */
async function adviceOnFault(url, code) {
  const other = new URL(url)
  other.protocol = other.protocol === 'https:' ? 'http:' : 'https:'
  if (code !== 'ENOTFOUND' && (await responds(other)))
    return `The host speaks ${other.protocol.slice(0, -1)} there: write STORAGE_DOMAIN=${other.origin}`
  switch (code) {
    case 'ENOTFOUND':
      return 'There is no such host. Connect the domain to the bucket (R2, bucket, Settings, Custom domains), and wait until it is active.'
    case 'ECONNREFUSED':
      return 'Nothing listens there. Check host and port of STORAGE_DOMAIN.'
    case 'ETIMEDOUT':
      return 'Nothing responds. Does a firewall or a proxy of this machine block the domain?'
    default:
      return /CERT|SELF_SIGNED|LEAF_SIGNATURE/.test(code ?? '')
        ? 'The certificate of the domain is not trusted. A new custom domain gets its own after some minutes; for a private authority set NODE_EXTRA_CA_CERTS.'
        : 'Open the domain in a browser, and check STORAGE_DOMAIN.'
  }
}

async function responds(url) {
  try {
    const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(PATIENCE_MS) })
    await response.body?.cancel()
    // A server that speaks TLS says so in a 400 to plain http.
    return response.status !== 400
  } catch {
    return false
  }
}

function adviceOnRedirect(url, location) {
  const target = URL.canParse(location, url) ? new URL(location, url) : undefined
  if (target && target.protocol === 'https:' && target.host === new URL(url).host)
    return `Browsers would be redirected for each picture: write STORAGE_DOMAIN=${target.origin}`
  return 'Use the address that it redirects to as STORAGE_DOMAIN, if it is that of the bucket; a redirect to a login (Cloudflare Access) means that the bucket is not public.'
}

function adviceOnStatus(url, status) {
  if (new URL(url).hostname.endsWith('.r2.cloudflarestorage.com')) {
    return 'STORAGE_DOMAIN is the S3 endpoint, which responds to signed requests only. Use the public domain of the bucket (R2, bucket, Settings, Custom domains).'
  }
  if (status === 404)
    return 'The domain does not show this bucket, or shows it under a path. Compare STORAGE_DOMAIN and STORAGE_BUCKET with R2, bucket, Settings, Custom domains.'
  if (status === 401 || status === 403)
    return 'The domain does not let everybody read. Is public access enabled for it (R2, bucket, Settings), and does no WAF rule, hotlink protection or Cloudflare Access refuse?'
  if (status === 400)
    return 'The server does not understand the request: does the port speak https while STORAGE_DOMAIN begins with http, or the other way round?'
  return 'Look at https://www.cloudflarestatus.com, and open the domain in a browser.'
}

function hintOf(url) {
  const { protocol, hostname } = new URL(url)
  if (hostname.endsWith('.r2.dev'))
    return 'r2.dev addresses are slowed down and not cached: for production connect a domain of your own.'
  if (protocol === 'http:' && !/^(localhost|127\.|\[::1\])/.test(hostname))
    return 'STORAGE_DOMAIN is http: pages by https cannot show its pictures. Write https.'
  return undefined
}

/** Without path and query, which may hold a signature. */
function originOf(location, base) {
  return URL.canParse(location, base) ? new URL(location, base).origin : 'nowhere'
}

function problem(message, advice) {
  return Object.assign(new Error(message), { advice })
}

module.exports = { readPublicly }
