'use strict'

// The S3 operations, as far as R2 has them and uploads need them. Each takes a request that is whole and checked, and
// gives a response.

const { validateHeaderValue } = require('node:http')
const { Refusal, xmlResponse } = require('./responses.js')
const { names } = require('./bucket.js')
const { md5 } = require('./checksums.js')

/** Stored with an object and given back with it. */
const KEPT = ['cache-control', 'content-disposition', 'content-encoding', 'content-language', 'content-type', 'expires']
/** By a query `response-...` of a GET. */
const OVERRIDABLE = KEPT
const METADATA = 'x-amz-meta-'
/** The entry by which reliable-r2 knows its writes; kept apart, so that `metadata` is what a caller gave. */
const IDENTITY = 'reliable-r2'
const MAX_METADATA_BYTES = 8192
const MAX_PARTS = 10_000
const MAX_PAGE = 1000

const nothing = (status, headers = {}) => ({ status, headers, body: Buffer.alloc(0) })

/** What is stored beside the bytes. */
function factsOf(headers) {
  const kept = KEPT.filter((name) => headers[name] !== undefined)
  const meta = Object.keys(headers).filter((name) => name.startsWith(METADATA))
  const metadata = Object.fromEntries(meta.map((name) => [name.slice(METADATA.length), headers[name]]))
  const size = Object.entries(metadata).reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  if (size > MAX_METADATA_BYTES)
    throw new Refusal('MetadataTooLarge', 'Your metadata headers exceed the maximum allowed size.')
  const stored = Object.fromEntries(kept.map((name) => [name, headers[name]]))
  // How the body came is no property of the object.
  if (stored['content-encoding']) {
    const encodings = stored['content-encoding']
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== 'aws-chunked')
    if (encodings.length > 0) stored['content-encoding'] = encodings.join(', ')
    else delete stored['content-encoding']
  }
  const { [IDENTITY]: identity, ...callers } = metadata
  return {
    contentType: headers['content-type'] ?? 'application/octet-stream',
    headers: stored,
    metadata: callers,
    identity,
  }
}

function headersOf(object) {
  const all = { ...object.metadata, ...(object.identity !== undefined && { [IDENTITY]: object.identity }) }
  const metadata = Object.entries(all).map(([name, value]) => [METADATA + name, value])
  return {
    ...object.headers,
    'content-type': object.contentType,
    ...Object.fromEntries(metadata),
    'accept-ranges': 'bytes',
    etag: `"${object.etag}"`,
    'last-modified': object.lastModified.toUTCString(),
  }
}

function putObject({ bucket, key, headers, body }) {
  bucket.requireWriteCondition(key, headers)
  return nothing(200, { etag: `"${bucket.put(key, body, factsOf(headers)).etag}"` })
}

function getObject({ bucket, key, query, headers }) {
  const object = bucket.get(key)
  const unmet = readCondition(object, headers)
  if (unmet) return unmet
  const overridden = OVERRIDABLE.filter((name) => query.has(`response-${name}`)).map((name) => [
    name,
    headerValue(query.get(`response-${name}`)),
  ])
  const served = { ...headersOf(object), ...Object.fromEntries(overridden) }
  const range = rangeOf(headers.range, object.size)
  if (!range) return { status: 200, headers: served, body: object.body }
  const [first, last] = range
  served['content-range'] = `bytes ${first}-${last}/${object.size}`
  return { status: 206, headers: served, body: object.body.subarray(first, last + 1) }
}

function headerValue(value) {
  try {
    validateHeaderValue('response', value)
    return value
  } catch {
    throw new Refusal('InvalidArgument', 'A header that the query asks for is one that no response can carry.')
  }
}

/** The response of a read whose condition does not hold, in the order of RFC 9110, section 13.2.2. */
function readCondition(object, headers) {
  const modified = Math.floor(object.lastModified / 1000) * 1000
  const { 'if-match': match, 'if-none-match': noneMatch } = headers
  const since = (name) => Date.parse(headers[name] ?? '')
  if (match !== undefined ? !names(match, object) : modified > since('if-unmodified-since')) {
    throw new Refusal('PreconditionFailed', 'At least one of the preconditions did not hold.')
  }
  const unchanged = noneMatch !== undefined ? names(noneMatch, object) : modified <= since('if-modified-since')
  return unchanged ? nothing(304, headersOf(object)) : undefined
}

/** The places of the first byte and of the last; none for a header that is absent or no range of bytes. */
function rangeOf(header, size) {
  const asked = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  if (!asked || (asked[1] === '' && asked[2] === '')) return undefined
  const [first, last] =
    asked[1] === ''
      ? [Math.max(0, size - Number(asked[2])), size - 1]
      : [Number(asked[1]), Math.min(asked[2] === '' ? size - 1 : Number(asked[2]), size - 1)]
  if (first > last) throw new Refusal('InvalidRange', 'The requested range cannot be satisfied.')
  return [first, last]
}

function deleteObject({ bucket, key, headers }) {
  bucket.requireDeleteCondition(key, headers)
  bucket.objects.delete(key)
  return nothing(204)
}

function listObjects({ name, bucket, query }) {
  const encode = query.get('encoding-type') === 'url' ? encodeURIComponent : (text) => text
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter') ?? ''
  const most = count(query.get('max-keys'), 'max-keys')
  const token = query.get('continuation-token')
  const after = Buffer.from(token ? Buffer.from(token, 'base64url') : (query.get('start-after') ?? ''))
  const keys = [...bucket.objects.keys()].filter((key) => key.startsWith(prefix)).map((key) => Buffer.from(key))
  const entries = new Map()
  for (const bytes of keys.sort(Buffer.compare)) {
    const key = bytes.toString()
    const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    const entry = end < 0 ? key : key.slice(0, end + delimiter.length)
    if (Buffer.compare(Buffer.from(entry), after) > 0) entries.set(entry, end < 0 ? bucket.objects.get(key) : undefined)
  }
  const page = [...entries].slice(0, most)
  const truncated = page.length < entries.size && most > 0
  return xmlResponse(200, 'ListBucketResult', {
    Name: name,
    Prefix: encode(prefix),
    Delimiter: delimiter === '' ? undefined : encode(delimiter),
    KeyCount: page.length,
    MaxKeys: most,
    EncodingType: query.get('encoding-type') ?? undefined,
    IsTruncated: truncated,
    NextContinuationToken: truncated ? Buffer.from(page.at(-1)[0]).toString('base64url') : undefined,
    Contents: page
      .filter(([, object]) => object)
      .map(([key, object]) => ({
        Key: encode(key),
        LastModified: object.lastModified.toISOString(),
        ETag: `"${object.etag}"`,
        Size: object.size,
        StorageClass: 'STANDARD',
      })),
    CommonPrefixes: page.filter(([, object]) => !object).map(([entry]) => ({ Prefix: encode(entry) })),
  })
}

function createUpload({ name, bucket, key, headers }) {
  const upload = bucket.begin(key, factsOf(headers))
  return xmlResponse(200, 'InitiateMultipartUploadResult', { Bucket: name, Key: key, UploadId: upload.id })
}

function uploadPart({ bucket, key, query, body }) {
  const number = Number(query.get('partNumber'))
  if (!Number.isInteger(number) || number < 1 || number > MAX_PARTS) {
    throw new Refusal('InvalidArgument', `Part number must be an integer between 1 and ${MAX_PARTS}.`)
  }
  const part = { body, etag: md5(body), lastModified: new Date() }
  bucket.upload(query.get('uploadId'), key).parts.set(number, part)
  return nothing(200, { etag: `"${part.etag}"` })
}

function completeUpload({ name, bucket, key, query, headers, body }) {
  const upload = bucket.upload(query.get('uploadId'), key)
  // Split, not matched: a body of opening tags alone would be read to its end from each of them.
  const texts = body.toString().split('<Part>').slice(1)
  const parts = texts
    .filter((text) => text.includes('</Part>'))
    .map((part) => ({
      number: Number(/<PartNumber>\s*(\d+)\s*</.exec(part)?.[1]),
      etag: /<ETag>\s*(?:"|&quot;|&#34;)?([^"&<\s]+)/.exec(part)?.[1],
    }))
  bucket.requireWriteCondition(key, headers)
  const { etag } = bucket.complete(upload, parts)
  return xmlResponse(200, 'CompleteMultipartUploadResult', {
    Location: `/${name}/${key}`,
    Bucket: name,
    Key: key,
    ETag: `"${etag}"`,
  })
}

function abortUpload({ bucket, key, query }) {
  bucket.uploads.delete(bucket.upload(query.get('uploadId'), key).id)
  return nothing(204)
}

function listParts({ name, bucket, key, query }) {
  const upload = bucket.upload(query.get('uploadId'), key)
  const after = Number(query.get('part-number-marker') ?? 0)
  const most = count(query.get('max-parts'), 'max-parts')
  const parts = [...upload.parts].filter(([number]) => number > after).sort(([a], [b]) => a - b)
  const page = parts.slice(0, most)
  const truncated = page.length < parts.length && most > 0
  return xmlResponse(200, 'ListPartsResult', {
    Bucket: name,
    Key: key,
    UploadId: upload.id,
    MaxParts: most,
    IsTruncated: truncated,
    NextPartNumberMarker: truncated ? page.at(-1)[0] : undefined,
    Part: page.map(([number, part]) => ({
      PartNumber: number,
      LastModified: part.lastModified.toISOString(),
      ETag: `"${part.etag}"`,
      Size: part.body.length,
    })),
  })
}

function listUploads({ name, bucket, query }) {
  const encode = query.get('encoding-type') === 'url' ? encodeURIComponent : (text) => text
  const prefix = query.get('prefix') ?? ''
  const most = count(query.get('max-uploads'), 'max-uploads')
  const place = ({ key, id }) => Buffer.from(`${key}\0${id}`)
  const after = Buffer.from(`${query.get('key-marker') ?? ''}\0${query.get('upload-id-marker') ?? ''}`)
  const uploads = [...bucket.uploads.values()]
    .filter((upload) => upload.key.startsWith(prefix) && Buffer.compare(place(upload), after) > 0)
    .sort((a, b) => Buffer.compare(place(a), place(b)))
  const page = uploads.slice(0, most)
  const truncated = page.length < uploads.length && most > 0
  return xmlResponse(200, 'ListMultipartUploadsResult', {
    Bucket: name,
    Prefix: encode(prefix),
    MaxUploads: most,
    EncodingType: query.get('encoding-type') ?? undefined,
    IsTruncated: truncated,
    NextKeyMarker: truncated ? encode(page.at(-1).key) : undefined,
    NextUploadIdMarker: truncated ? page.at(-1).id : undefined,
    Upload: page.map(({ key, id, initiated }) => ({
      Key: encode(key),
      UploadId: id,
      Initiated: initiated.toISOString(),
    })),
  })
}

function count(text, name) {
  const number = Number(text ?? MAX_PAGE)
  if (!Number.isInteger(number) || number < 0) throw new Refusal('InvalidArgument', `${name} must be a whole number.`)
  return Math.min(number, MAX_PAGE)
}

/** The operation that a request asks for, by its method, its query and whether it has a key. */
function operationOf({ method, key, query, headers }) {
  const has = (name) => query.has(name)
  if (key === '') {
    if (method === 'HEAD') return () => nothing(200)
    if (method === 'GET' && has('uploads')) return listUploads
    if (method === 'GET' && query.get('list-type') === '2') return listObjects
  } else if (has('uploadId')) {
    const operation = { PUT: uploadPart, POST: completeUpload, DELETE: abortUpload, GET: listParts }[method]
    if (operation && headers['x-amz-copy-source'] === undefined) return operation
  } else if (method === 'POST' && has('uploads')) {
    return createUpload
  } else if (headers['x-amz-copy-source'] === undefined && !['acl', 'tagging', 'retention', 'legal-hold'].some(has)) {
    const operation = { PUT: putObject, GET: getObject, HEAD: getObject, DELETE: deleteObject }[method]
    if (operation) return operation
  }
  throw new Refusal('NotImplemented', 'This server has no such operation.')
}

module.exports = { operationOf }
