'use strict'

// Results of the addon as callers get them: times are Dates, what is unknown is absent.

/** A receipt of its values, which come without their names, in the order of src/binding/receipt.rs. */
function receiptOf(values) {
  const [
    endpoint,
    failedOver,
    location,
    bucket,
    key,
    filename,
    size,
    contentType,
    attempts,
    parts,
    elapsedMs,
    ...others
  ] = values
  const [url, etag, requestId, resumedParts, sha256, contentEncoding, confirmedByHead] = others
  const receipt = {
    endpoint,
    failedOver,
    location,
    bucket,
    key,
    filename,
    url: url ?? location,
    size,
    contentType,
    attempts,
    parts,
    elapsedMs,
  }
  if (etag !== null) receipt.etag = etag
  if (requestId !== null) receipt.requestId = requestId
  if (resumedParts !== null) receipt.resumedParts = resumedParts
  if (sha256 !== null) receipt.sha256 = sha256
  if (contentEncoding !== null) receipt.contentEncoding = contentEncoding
  if (confirmedByHead !== null) receipt.confirmedByHead = confirmedByHead
  return receipt
}

function fromInfo(
  key,
  { endpoint, failedOver, bucket, headers, lastModifiedMs, metadata, attempts, elapsedMs, ...others },
) {
  const info = { ...others, ...Object.fromEntries(headers) }
  const { contentDisposition: disposition } = info
  const deprecated = disposition === undefined ? {} : { disposition }
  return {
    endpoint,
    failedOver,
    bucket,
    key,
    ...info,
    ...deprecated,
    ...dated(lastModifiedMs),
    metadata: Object.fromEntries(metadata),
    attempts,
    elapsedMs,
  }
}

function fromListed({ lastModifiedMs, ...object }) {
  return { ...object, ...dated(lastModifiedMs) }
}

function fromPresigned(method, { url, headers, expiresAtMs }) {
  return { url, method, headers, expiresAt: new Date(expiresAtMs) }
}

function fromIncompleteUpload({ initiatedMs, ...upload }) {
  return { ...upload, ...(initiatedMs !== undefined && { initiated: new Date(initiatedMs) }) }
}

function dated(lastModifiedMs) {
  return lastModifiedMs === undefined ? {} : { lastModified: new Date(lastModifiedMs) }
}

module.exports = { fromInfo, fromListed, fromIncompleteUpload, fromPresigned, receiptOf }
