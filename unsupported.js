'use strict'

// What the Edge runtime gets. The names stand here so that a bundler does not report missing exports
// instead of the sentence below.
module.exports = {
  AuthError: undefined,
  CircuitOpenError: undefined,
  InputError: undefined,
  InternalError: undefined,
  NetworkError: undefined,
  RetryPresets: undefined,
  ServiceError: undefined,
  SourceError: undefined,
  Storage: undefined,
  StorageError: undefined,
  ThrottledError: undefined,
  TimeoutError: undefined,
  VERSION: undefined,
  downloadAndUpload: undefined,
  isRetryableError: undefined,
  newStorage: undefined,
  retryWithBackoff: undefined,
  uploadFile: undefined,
  uploadFiles: undefined,
}

const error = new Error(
  'reliable-r2 needs the Node.js runtime: it is a native addon and runs neither in the Edge runtime nor in a browser. ' +
    "In a Next.js route, replace `export const runtime = 'edge'` by `export const runtime = 'nodejs'`; " +
    'from a page or a client component, call such a route instead of importing this package.',
)
error.code = 'ERR_UNSUPPORTED'
throw error
