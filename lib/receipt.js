'use strict'

/** A receipt of its values, which come without their names, in the order of src/binding/output.rs. */
function receiptOf(values) {
  const [endpoint, failedOver, location, bucket, key, filename, size, contentType, attempts, parts, elapsedMs, ...others] = values
  const [url, etag, requestId, resumedParts, sha256, contentEncoding, settledByHead] = others
  const receipt = { endpoint, failedOver, location, bucket, key, filename, url: url ?? location, size, contentType, attempts, parts, elapsedMs }
  if (etag !== null) receipt.etag = etag
  if (requestId !== null) receipt.requestId = requestId
  if (resumedParts !== null) receipt.resumedParts = resumedParts
  if (sha256 !== null) receipt.sha256 = sha256
  if (contentEncoding !== null) receipt.contentEncoding = contentEncoding
  if (settledByHead !== null) receipt.settledByHead = settledByHead
  return receipt
}

module.exports = { receiptOf }
