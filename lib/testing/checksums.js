'use strict'

// What a request says about its bytes, held against them.

const { createHash } = require('node:crypto')
const { Refusal } = require('./responses.js')

const digest = (name) => (body) => createHash(name).update(body).digest('base64')

/** By the end of its header's name. Others (crc64nvme) are not compared. */
const CHECKSUMS = { sha1: digest('sha1'), sha256: digest('sha256'), crc32: crc(0xedb88320), crc32c: crc(0x82f63b78) }

function crc(polynomial) {
  const table = Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1
    return value
  })
  return (body) => {
    let state = ~0
    for (const byte of body) state = table[(state ^ byte) & 0xff] ^ (state >>> 8)
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(~state)
    return bytes.toString('base64')
  }
}

/** @throws a refusal where a body is not what the request, or its trailers, say that it is. */
function checkBody(headers, body) {
  const md5 = headers['content-md5']
  if (md5 !== undefined) {
    if (Buffer.from(md5, 'base64').length !== 16)
      throw new Refusal('InvalidDigest', 'Content-MD5 is not an MD5 in base64.')
    if (digest('md5')(body) !== md5) throw new Refusal('BadDigest', 'The body is not the one that Content-MD5 is of.')
  }
  for (const [name, of] of Object.entries(CHECKSUMS)) {
    const given = headers[`x-amz-checksum-${name}`]
    if (given !== undefined && given !== of(body)) {
      throw new Refusal('BadDigest', `The body is not the one that x-amz-checksum-${name} is of.`)
    }
  }
}

function md5(...bodies) {
  return bodies.reduce((hash, body) => hash.update(body), createHash('md5')).digest('hex')
}

module.exports = { checkBody, md5 }
