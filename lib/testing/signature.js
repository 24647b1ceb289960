'use strict'

// AWS Signature Version 4, as R2 checks it: in the `Authorization` header, or in the query of a presigned URL.

const { createHash, createHmac, timingSafeEqual } = require('node:crypto')
const { Refusal } = require('./responses.js')

const ALGORITHM = 'AWS4-HMAC-SHA256'
const MOST_SKEW_MS = 15 * 60 * 1000
const UNSIGNED = 'UNSIGNED-PAYLOAD'

const sha256 = (data) => createHash('sha256').update(data).digest('hex')
const hmac = (key, data) => createHmac('sha256', key).update(data).digest()

/** RFC 3986's unreserved characters stay, all else is escaped: what S3 means by URI encoding. */
function encode(text) {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** `20130524T000000Z` in milliseconds since the epoch; NaN for anything else. */
function timeOf(date) {
  const fields = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date ?? '')
  return fields ? Date.UTC(fields[1], fields[2] - 1, fields[3], fields[4], fields[5], fields[6]) : NaN
}

/** What a request claims about its signature, from either place. */
function claims({ query, headers }) {
  if (query.has('X-Amz-Signature')) {
    return {
      presigned: true,
      algorithm: query.get('X-Amz-Algorithm'),
      credential: query.get('X-Amz-Credential') ?? '',
      signedHeaders: query.get('X-Amz-SignedHeaders') ?? '',
      signature: query.get('X-Amz-Signature'),
      date: query.get('X-Amz-Date'),
      expiresInSeconds: Number(query.get('X-Amz-Expires')),
      payload: query.get('X-Amz-Content-Sha256') ?? headers['x-amz-content-sha256'] ?? UNSIGNED,
    }
  }
  const { authorization } = headers
  if (authorization === undefined) throw new Refusal('AccessDenied', 'The request is not signed.')
  const field = (name) => new RegExp(`${name}=([^,\\s]+)`).exec(authorization)?.[1] ?? ''
  return {
    presigned: false,
    algorithm: authorization.split(' ', 1)[0],
    credential: field('Credential'),
    signedHeaders: field('SignedHeaders'),
    signature: field('Signature'),
    date: headers['x-amz-date'],
    payload: headers['x-amz-content-sha256'] ?? '',
  }
}

function canonicalRequest({ method, path, query, headers }, { signedHeaders, payload }) {
  const pairs = [...query]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => [encode(name), encode(value)])
  pairs.sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : 1))
  const names = signedHeaders.split(';')
  return [
    method,
    path.split('/').map(encode).join('/'),
    pairs.map((pair) => pair.join('=')).join('&'),
    ...names.map(
      (name) =>
        `${name}:${String(headers[name] ?? '')
          .trim()
          .replace(/ +/g, ' ')}`,
    ),
    '',
    signedHeaders,
    payload,
  ].join('\n')
}

/**
 * Checks a request's signature, before its body is known.
 *
 * @param {{method: string, path: string, query: URLSearchParams, headers: object}} request with its path decoded
 * @returns what its body has to agree with; see {@link checkPayload} and `chunked.js`
 */
function authenticate(request, { accessKey, secretKey }, now = Date.now()) {
  const claim = claims(request)
  const [id, day, region, service, end] = claim.credential.split('/')
  const time = timeOf(claim.date)
  if (claim.algorithm !== ALGORITHM || service !== 's3' || end !== 'aws4_request' || Number.isNaN(time)) {
    throw new Refusal('InvalidArgument', 'The signature is none of AWS Signature Version 4 for s3.')
  }
  if (id !== accessKey) throw new Refusal('Unauthorized', 'The access key is unknown.')
  if (claim.presigned) {
    const { expiresInSeconds } = claim
    if (!(expiresInSeconds >= 1 && expiresInSeconds <= 604_800)) {
      throw new Refusal('InvalidArgument', 'X-Amz-Expires must be 1 to 604800 seconds.')
    }
    if (now > time + expiresInSeconds * 1000) throw new Refusal('ExpiredRequest', 'The URL has expired.')
  } else if (Math.abs(now - time) > MOST_SKEW_MS) {
    throw new Refusal(
      'RequestTimeTooSkewed',
      'The difference between the request time and the server time is too large.',
    )
  }
  const scope = [day, region, service, end].join('/')
  const key = [region, service, end].reduce(hmac, hmac(`AWS4${secretKey}`, day))
  const toSign = [ALGORITHM, claim.date, scope, sha256(canonicalRequest(request, claim))].join('\n')
  if (!sameText(hmac(key, toSign).toString('hex'), claim.signature)) {
    throw new Refusal(
      'SignatureDoesNotMatch',
      'The signature is not the one that was calculated from the request and the secret key.',
    )
  }
  return { payload: claim.payload, signature: claim.signature, date: claim.date, scope, key }
}

/** Compares a body with the hash that was signed. */
function checkPayload({ payload }, body) {
  if (payload !== UNSIGNED && !sameText(sha256(body), payload)) {
    throw new Refusal('BadDigest', 'The body is not the one whose hash was signed.')
  }
}

function sameText(a, b) {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

module.exports = { authenticate, checkPayload, hmac, sameText, sha256 }
