'use strict'

// What a body that cannot be read is, and what to pass in its place.

const { types } = require('node:util')
const { isNodeStream } = require('./lifetime.js')
const { isPlain, property } = require('../own-properties.js')

const ALLOWED = 'bytes, a Blob or File, a string, a stream or async iterable, a Request or Response, or fromFile(path)'
/** Where other libraries have the file in what they give: form parsers, HTTP clients, SDKs, TransformStream. */
const HOLDERS = ['buffer', 'file', 'stream', 'data', 'rawBody', 'body', 'Body', 'readable']
const PATHS = ['filepath', 'tempFilePath']
const BY_TAG = {
  URLSearchParams: 'this is a URLSearchParams: pass its String()',
  URL: 'this is a URL: only file: URLs are read; for others there is downloadAndUpload',
  Blob: 'this is a Blob without arrayBuffer(), as some test environments make them: pass a Blob of node:buffer',
  File: 'this is a Blob without arrayBuffer(), as some test environments make them: pass a Blob of node:buffer',
  FileList: 'this is a FileList: pass one of its files, files[0]',
  Map: 'this is a Map: pass what is in it',
  Set: 'this is a Set: pass what is in it',
  String: 'this is a String object: pass String(body)',
  Headers: 'these are Headers',
}

function hintFor(body) {
  const hint = hintOf(body)
  return `body must be ${ALLOWED}${hint ? `; ${hint}` : ''}`
}

function hintOf(body) {
  if (body === undefined || body === null) return 'it is missing'
  if (typeof body === 'function') return 'this is a function'
  if (typeof body !== 'object') return `this is a ${typeof body}`
  const has = (name, type = 'function') => typeof property(body, name) === type
  if (has('then')) return "this is a Promise: did you forget 'await'?"
  const tag = Object.prototype.toString.call(body).slice(8, -1)
  // Those of test environments have no tag.
  const isForm = tag === 'FormData' || has('getBoundary') || (has('append') && has('getAll') && !has('sort'))
  if (isForm) return "this is a FormData: pass one of its files, formData.get('file')"
  if (Object.hasOwn(BY_TAG, tag)) return BY_TAG[tag]
  // What a Proxy of built-in objects has can often not even be asked for.
  if (types.isProxy(body)) return 'this is a Proxy: pass the object that it stands for'
  if (Array.isArray(body)) return hintOfArray(body)
  if (types.isDate(body)) return 'this is a Date'
  return hintOfObject(body, has)
}

function hintOfArray([first]) {
  const isBytes = first === undefined || typeof first === 'number' || ArrayBuffer.isView(first)
  if (isBytes) return 'this is an array: pass Uint8Array.from(array), or Buffer.concat(array) for one of Buffers'
  return 'this is an array: pass one of its items'
}

function hintOfObject(body, has) {
  if (has('createReadStream')) return 'this is a file handle: pass its createReadStream()'
  if (has('pipe'))
    return 'this is a stream of an old kind: pass new Readable().wrap(stream), with Readable of node:stream'
  const path = PATHS.find((name) => has(name, 'string') && property(body, name) !== '')
  if (path) return `this is a file of a form parser: pass fromFile(file.${path})`
  const holder = HOLDERS.find((name) => isReadable(property(body, name)))
  if (holder) return `this is an object that holds the file: pass file.${holder}`
  if (property(body, 'type') === 'Buffer' && Array.isArray(property(body, 'data')))
    return 'this is a Buffer that went through JSON: pass Buffer.from(object.data)'
  if (has('arrayBuffer')) return 'this is like a Response or a Blob: pass await object.arrayBuffer()'
  if (Object.hasOwn(body, 'path')) return 'this is an object, which names no file: pass fromFile(path)'
  return isPlain(body) ? 'this is an object: pass JSON.stringify(object)' : 'this is an object of a class'
}

/** Bytes or a stream. */
function isReadable(value) {
  if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)) return true
  return typeof property(value, 'getReader') === 'function' || isNodeStream(value)
}

module.exports = { hintFor }
