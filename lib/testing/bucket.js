'use strict'

// A bucket in memory: objects, and uploads in parts that are still open.

const { randomBytes } = require('node:crypto')
const { Refusal } = require('./responses.js')
const { md5 } = require('./checksums.js')

const MIN_PART_BYTES = 5 * 1024 * 1024

/** What servers check before they write or delete. */
const CONDITIONS = {
  r2: { put: ['etag', 'time'], delete: ['time'] },
  s3: { put: ['etag'], delete: ['etag'] },
  put: { put: ['etag'], delete: [] },
  none: { put: [], delete: [] },
}

/** As `Last-Modified` has them. */
const wholeSeconds = ({ lastModified }) => Math.floor(lastModified / 1000) * 1000

class Bucket {
  constructor(conditions = 'r2') {
    this.conditions = conditions
  }

  /** By key. What is in here was stored; it is never changed in place. */
  objects = new Map()
  /** By upload id. */
  uploads = new Map()

  put(key, body, facts) {
    const object = { key, body, size: body.length, etag: md5(body), lastModified: new Date(), ...facts }
    this.objects.set(key, object)
    return object
  }

  get(key) {
    const object = this.objects.get(key)
    if (!object) throw new Refusal('NoSuchKey', 'The specified key does not exist.')
    return object
  }

  /** Whether a write may continue. A condition that the server does not know is ignored. */
  requireWriteCondition(
    key,
    { 'if-match': ifMatch, 'if-none-match': ifNoneMatch, 'if-unmodified-since': unmodifiedSince },
  ) {
    const there = this.objects.get(key)
    const checks = {
      etag:
        (ifNoneMatch === undefined || !there || !names(ifNoneMatch, there)) &&
        (ifMatch === undefined || (there && names(ifMatch, there))),
      time: unmodifiedSince === undefined || !there || wholeSeconds(there) <= Date.parse(unmodifiedSince),
    }
    this.#require(checks, CONDITIONS[this.conditions].put)
  }

  /** Whether a removal may continue. */
  requireDeleteCondition(key, { 'if-match': ifMatch, 'x-amz-if-match-last-modified-time': lastModified }) {
    const there = this.objects.get(key)
    const checks = {
      etag: ifMatch === undefined || (there && names(ifMatch, there)),
      time: lastModified === undefined || (there && wholeSeconds(there) === Date.parse(lastModified)),
    }
    this.#require(checks, CONDITIONS[this.conditions].delete)
  }

  #require(checks, known) {
    if (known.every((name) => checks[name])) return
    throw new Refusal('PreconditionFailed', 'At least one of the preconditions did not hold.')
  }

  begin(key, facts) {
    const upload = { id: randomBytes(16).toString('hex'), key, facts, initiated: new Date(), parts: new Map() }
    this.uploads.set(upload.id, upload)
    return upload
  }

  upload(id, key) {
    const upload = this.uploads.get(id)
    if (upload?.key !== key) throw new Refusal('NoSuchUpload', 'The specified multipart upload does not exist.')
    return upload
  }

  /** Makes an object of an upload's parts. R2 looks at their sizes here and not when they come. */
  complete(upload, named) {
    const parts = named.map(({ number, etag }) => {
      const part = upload.parts.get(number)
      if (!part || part.etag !== etag)
        throw new Refusal('InvalidPart', 'One or more of the specified parts could not be found.')
      return { number, ...part }
    })
    if (parts.length === 0) throw new Refusal('MalformedXML', 'No part is named.')
    if (parts.some(({ number }, index) => index > 0 && number <= parts[index - 1].number)) {
      throw new Refusal('InvalidPartOrder', 'The parts are not in ascending order.')
    }
    const sizes = parts.map(({ body }) => body.length)
    const last = sizes.pop()
    if (sizes.some((size) => size < MIN_PART_BYTES))
      throw new Refusal('EntityTooSmall', 'A part but the last is smaller than 5 MiB.')
    if (sizes.some((size) => size !== sizes[0]) || last > (sizes[0] ?? last)) {
      throw new Refusal('InvalidPart', 'All non-trailing parts must have the same length.')
    }
    const etag = `${md5(...parts.map((part) => Buffer.from(part.etag, 'hex')))}-${parts.length}`
    this.uploads.delete(upload.id)
    return this.put(upload.key, Buffer.concat(parts.map(({ body }) => body)), { ...upload.facts, etag })
  }
}

/** Whether a condition's header names an object's ETag. */
function names(header, { etag }) {
  return header.split(',').some((text) => ['*', etag].includes(text.trim().replace(/^(W\/)?"|"$/g, '')))
}

module.exports = { Bucket, CONDITIONS, names }
