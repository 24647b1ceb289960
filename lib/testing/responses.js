'use strict'

// Responses, and refusals as R2 words them.

/** The status of each code that this server responds with. From R2's table of error codes. */
const STATUS_OF = {
  AccessDenied: 403,
  BadDigest: 400,
  EntityTooSmall: 400,
  ExpiredRequest: 400,
  IncompleteBody: 400,
  InvalidArgument: 400,
  InvalidBucketName: 400,
  InvalidDigest: 400,
  InvalidObjectName: 400,
  InvalidPart: 400,
  InvalidPartOrder: 400,
  InvalidRange: 416,
  MalformedXML: 400,
  MetadataTooLarge: 400,
  MethodNotAllowed: 405,
  MissingContentLength: 411,
  NoSuchBucket: 404,
  NoSuchKey: 404,
  NoSuchUpload: 404,
  NotImplemented: 501,
  PreconditionFailed: 412,
  RequestTimeTooSkewed: 403,
  SignatureDoesNotMatch: 403,
  Unauthorized: 401,
}

/** A request that is refused. */
class Refusal extends Error {
  constructor(code, message) {
    super(message)
    this.code = code
    this.status = STATUS_OF[code]
  }
}

function escaped(text) {
  return String(text).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}

/** `{ a: 1, b: [{ c: 2 }] }` as `<a>1</a><b><c>2</c></b>`: a list is its element, repeated. */
function xml(value) {
  if (value === null || typeof value !== 'object') return escaped(value)
  return Object.entries(value)
    .flatMap(([name, inner]) => (Array.isArray(inner) ? inner : [inner]).map((item) => [name, item]))
    .filter(([, inner]) => inner !== undefined)
    .map(([name, inner]) => `<${name}>${xml(inner)}</${name}>`)
    .join('')
}

function xmlResponse(status, root, value) {
  const body = Buffer.from(`<?xml version="1.0" encoding="UTF-8"?><${root}>${xml(value)}</${root}>`)
  return { status, headers: { 'content-type': 'application/xml' }, body }
}

function refusalResponse({ status, code, message }) {
  return xmlResponse(status, 'Error', { Code: code, Message: message })
}

module.exports = { Refusal, refusalResponse, xmlResponse }
