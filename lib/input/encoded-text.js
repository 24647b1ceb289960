'use strict'

// Text that a Node stream gives after setEncoding, as the bytes that it stands for. Where some bytes have no text of their
// own in an encoding, the text does not show what they were, and is refused.

const { invalid } = require('./body.js')

const REPLACEMENT = '\ufffd'
/** Each decodes a chunk, or gives undefined where the bytes cannot be derived from it. */
const DECODERS = {
  utf8: (text) => (text.includes(REPLACEMENT) ? undefined : Buffer.from(text, 'utf8')),
  hex: (text) => exactly(text.toLowerCase(), 'hex'),
  base64: (text) => exactly(text, 'base64'),
  base64url: (text) => exactly(text, 'base64url'),
  latin1: (text) => exactly(text, 'latin1'),
}

/** The bytes of a chunk of `stream`, which gives text in its `readableEncoding`. */
function bytesOfText(text, stream, call) {
  const encoding = canonical(stream.readableEncoding)
  const decode = Object.hasOwn(DECODERS, encoding) && !stream.readableObjectMode ? DECODERS[encoding] : undefined
  const bytes = decode?.(text)
  if (bytes) return bytes
  const why = decode && encoding === 'utf8' ? 'and not all of its bytes are UTF-8' : 'which does not keep every byte'
  throw invalid(
    `body is a stream with setEncoding('${encoding}'), ${why}; remove setEncoding, so that it gives bytes`,
    call,
  )
}

/** Whether `stream` is refused whatever it gives. */
function losesBytes(stream) {
  const encoding = stream.readableEncoding
  return Boolean(encoding) && !Object.hasOwn(DECODERS, canonical(encoding))
}

function exactly(text, encoding) {
  const bytes = Buffer.from(text, encoding)
  return bytes.toString(encoding) === text ? bytes : undefined
}

function canonical(encoding) {
  const name = String(encoding).toLowerCase()
  if (name === 'utf-8') return 'utf8'
  return name === 'binary' ? 'latin1' : name
}

module.exports = { bytesOfText, losesBytes }
