'use strict'

// What the native part says of stored objects, as callers get it: times are Dates, what is unknown is absent.

function fromInfo(key, { bucket, lastModifiedMs, metadata, attempts, elapsedMs, ...info }) {
  return { bucket, key, ...info, ...dated(lastModifiedMs), metadata: Object.fromEntries(metadata), attempts, elapsedMs }
}

function fromListed({ lastModifiedMs, ...object }) {
  return { ...object, ...dated(lastModifiedMs) }
}

function fromPresigned(method, { url, headers, expiresAtMs }) {
  return { url, method, headers, expiresAt: new Date(expiresAtMs) }
}

function fromOpenUpload({ initiatedMs, ...upload }) {
  return { ...upload, ...(initiatedMs !== undefined && { initiated: new Date(initiatedMs) }) }
}

function dated(lastModifiedMs) {
  return lastModifiedMs === undefined ? {} : { lastModified: new Date(lastModifiedMs) }
}

module.exports = { fromInfo, fromListed, fromOpenUpload, fromPresigned }
