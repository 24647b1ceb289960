'use strict'

const { StorageError, InputError, NetworkError, TimeoutError, ThrottledError, AuthError, SourceError, ServiceError, InternalError } =
  require('./lib/errors.js')
const { VERSION } = require('./lib/load.js')
const { RetryPresets } = require('./lib/presets.js')
const { retryWithBackoff, isRetryableError } = require('./lib/retry.js')
const { Storage, newStorage, uploadFile, uploadFiles, downloadAndUpload } = require('./lib/storage.js')

// One literal of plain identifiers: that is what Node's lexer and bundlers can read named exports from.
module.exports = {
  AuthError,
  InputError,
  InternalError,
  NetworkError,
  RetryPresets,
  ServiceError,
  SourceError,
  Storage,
  StorageError,
  ThrottledError,
  TimeoutError,
  VERSION,
  downloadAndUpload,
  isRetryableError,
  newStorage,
  retryWithBackoff,
  uploadFile,
  uploadFiles,
}
