'use strict'

// Requests and Responses of fetch, of Node's http and of polyfills: what their bodies are, by their heads.

const { types } = require('node:util')
const { isBlob } = require('./blob.js')
const { invalid } = require('./body.js')
const { isIncomingMessage } = require('./lifetime.js')
const { property } = require('../own-properties.js')
const { isStream, readerOf } = require('./readers.js')

/** A form holds the file; its own bytes are not the file. */
const FORMS = {
  'multipart/form-data': "pass the file in it: const file = (await request.formData()).get('file'), and body: file",
  'application/x-www-form-urlencoded':
    "pass the field in it: const text = (await request.formData()).get('name'), and body: text; await request.text() is the form as it is",
}
/** What fetch has decoded when it hands out a Response. */
const DECODED_BY_FETCH = ['gzip', 'x-gzip', 'deflate', 'br']
const NOT_WHOLE = 206

function isHttpMessage(body) {
  const tag = Object.prototype.toString.call(body)
  const known = tag === '[object Request]' || tag === '[object Response]'
  const isLike = typeof property(body, 'formData') === 'function' && typeof property(body.headers, 'get') === 'function'
  return known || isLike || isIncomingMessage(body)
}

/** The body of a message as { length?, contentType?, contentEncoding?, next(), cancel() }. */
function readHttpMessage(message, call) {
  const isNode = isIncomingMessage(message)
  if (!isNode && typeof property(message.headers, 'get') !== 'function')
    throw invalid('body is a Request or Response whose headers cannot be read', call)
  if (message.bodyUsed) throw invalid('body is a Request or Response that was read already', call)
  checkStatus(message, isNode, call)
  const header = (name) => textOf(isNode ? message.headers[name] : message.headers.get(name))
  const type = header('content-type')
  refuseForm(type, isNode, call)
  const coding = codingOf(header('content-encoding'), message, isNode, call)
  return {
    // What fetch has decoded is longer than what was sent. Next.js cuts a body behind a proxy.ts at 10 MB and says nothing.
    length: coding.isDecoded ? undefined : lengthOf(header('content-length')),
    contentType: type,
    contentEncoding: coding.isDecoded ? undefined : coding.name,
    ...readerOf(isNode ? message : contentOf(message, call), call),
  }
}

/** A stream of what is in a Request or Response. */
function contentOf(message, call) {
  const { body } = message
  if (body === null) return piecesOf()
  // Those of node-fetch have what they were made of, those of polyfills have no `body`.
  if (body === undefined && typeof property(message, 'arrayBuffer') === 'function')
    return piecesOf(() => message.arrayBuffer())
  if (typeof body === 'string' || ArrayBuffer.isView(body) || types.isAnyArrayBuffer(body)) return piecesOf(() => body)
  if (isBlob(body)) return piecesOf(() => body.arrayBuffer())
  if (isStream(body)) return body
  throw invalid('body is a Request or Response whose body is no stream', call)
}

async function* piecesOf(...pieces) {
  for (const piece of pieces) yield piece()
}

function textOf(header) {
  return typeof header === 'string' ? header : undefined
}

/** The page that says that a link has expired is not the picture that it led to. */
function checkStatus(message, isNode, call) {
  const status = isNode ? message.statusCode : message.status
  const isSuccess = isNode ? (status ?? 200) >= 200 && (status ?? 200) < 300 : message.ok !== false
  const way = `downloadAndUpload fetches a URL and tries again; ${isNode ? 'a stream made of it' : 'response.body'} is stored whatever it is`
  if (!isSuccess) throw invalid(`body is a Response with the status ${status}, so not what was asked for; ${way}`, call)
  if (status === NOT_WHOLE)
    throw invalid(`body is a Response with the status 206, so a part of the whole; ${way}`, call)
}

function refuseForm(type, isNode, call) {
  const essence = String(type ?? '')
    .split(';')[0]
    .trim()
    .toLowerCase()
  if (!Object.hasOwn(FORMS, essence)) return
  const way = isNode ? 'read the form with a parser of forms, and pass the file that it gives' : FORMS[essence]
  throw invalid(`body is a form (${essence}), not the file in it; ${way}`, call)
}

/** { name?, isDecoded }. A Request, Node's messages, and a Response that was not fetched have their bytes as they are coded. */
function codingOf(header, message, isNode, call) {
  const isFetched =
    !isNode &&
    property(message, 'ok') !== undefined &&
    (Boolean(message.url) || !['default', undefined].includes(message.type))
  if (header === undefined || header === '' || !isFetched) return { name: header || undefined, isDecoded: false }
  const codings = header
    .toLowerCase()
    .split(',')
    .map((coding) => coding.trim())
  if (codings.every((coding) => coding === 'identity')) return { isDecoded: false }
  if (codings.every((coding) => DECODED_BY_FETCH.includes(coding))) return { isDecoded: true }
  const way = 'downloadAndUpload fetches a URL and asks for no coding; response.body is stored whatever it is'
  throw invalid(`body is a Response with a Content-Encoding that fetch may have decoded or not; ${way}`, call)
}

/** A Content-Length that is no number says nothing. */
function lengthOf(header) {
  return /^\d{1,15}$/.test(header ?? '') ? Number(header) : undefined
}

module.exports = { isHttpMessage, readHttpMessage }
