'use strict'

// `aws-chunked`: how SDKs send streams whose hash they do not know beforehand. Each chunk may be signed, and a checksum
// may follow behind the last.

const { Refusal } = require('./responses.js')
const { hmac, sameText, sha256 } = require('./signature.js')

const SIGNED = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'
const EMPTY_HASH = sha256('')

function isChunked({ payload }) {
  return payload.startsWith('STREAMING-')
}

/** The bytes of a body in chunks, and the headers behind them. */
function unchunk(claim, body) {
  const isSigned = claim.payload.startsWith(SIGNED)
  const pieces = []
  let previous = claim.signature
  let at = 0
  const line = () => {
    const end = body.indexOf('\r\n', at)
    if (end < 0) throw new Refusal('IncompleteBody', 'A chunk is not whole.')
    const text = body.toString('latin1', at, end)
    at = end + 2
    return text
  }
  for (;;) {
    const [size, ...extensions] = line().split(';')
    const length = /^[0-9a-f]+$/i.test(size) ? Number.parseInt(size, 16) : NaN
    if (!(at + length <= body.length)) throw new Refusal('IncompleteBody', 'A chunk is not whole.')
    const piece = body.subarray(at, at + length)
    if (isSigned) previous = checkChunk(claim, previous, piece, extensions)
    if (length === 0) break
    pieces.push(piece)
    at += length + 2
  }
  const trailers = Object.create(null)
  while (at < body.length) {
    const [name, ...value] = line().split(':')
    if (name) trailers[name.toLowerCase()] = value.join(':').trim()
  }
  return { body: Buffer.concat(pieces), trailers }
}

function checkChunk({ date, scope, key }, previous, piece, extensions) {
  const signature = extensions.find((text) => text.startsWith('chunk-signature='))?.slice(16) ?? ''
  const toSign = ['AWS4-HMAC-SHA256-PAYLOAD', date, scope, previous, EMPTY_HASH, sha256(piece)].join('\n')
  if (!sameText(hmac(key, toSign).toString('hex'), signature)) {
    throw new Refusal('SignatureDoesNotMatch', 'The signature of a chunk is wrong.')
  }
  return signature
}

module.exports = { isChunked, unchunk }
