'use strict'

// The HTTP status of a failed call, for a route that reports it to a browser. Statuses from 500 on are the server's own
// affair: a browser never gets 401 or 403 for credentials of the server that the storage refused.

const BY_CODE = {
  __proto__: null,
  ERR_ABORTED: 499,
  ERR_CLOSED: 503,
  ERR_TOO_LARGE: 413,
  EntityTooLarge: 413,
  HTTP_413: 413,
  NotFound: 404,
  NoSuchKey: 404,
  PreconditionFailed: 412,
  HTTP_412: 412,
  OperationAborted: 409,
  ConditionalRequestConflict: 409,
  ObjectLockedByBucketPolicy: 409,
  InvalidRange: 416,
  HTTP_416: 416,
  // What the operator has configured, or forgot to.
  ERR_MISSING_OPTION: 500,
  ERR_UNSUPPORTED: 500,
  NoSuchBucket: 500,
  InvalidBucketName: 500,
}

/** For failures that pass, when the storage names no time. */
const RETRY_AFTER_SECONDS = 5

function httpStatusOf({ code, category, retryable, operation }) {
  if (Object.hasOwn(BY_CODE, code)) return BY_CODE[code]
  switch (category) {
    case 'input':
      // A storage that cannot be made is the operator's; all else came with the request.
      return operation === 'newStorage' ? 500 : 400
    case 'source':
      if (retryable) return 503
      // What `uploadFile` reads is the body of the request; what `downloadAndUpload` reads is another server.
      return operation === 'downloadAndUpload' ? 502 : 400
    case 'network':
    case 'timeout':
      return retryable ? 503 : 500
    case 'throttled':
      return 503
    case 'service':
      return retryable ? 503 : 502
    case 'aborted':
      return 499
    default:
      return 500
  }
}

/** In whole seconds, for a 503; absent for every other status. */
function retryAfterOf(status, retryAfterMs) {
  if (status !== 503) return undefined
  return retryAfterMs === undefined ? RETRY_AFTER_SECONDS : Math.max(1, Math.ceil(retryAfterMs / 1000))
}

module.exports = { httpStatusOf, retryAfterOf }
