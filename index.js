'use strict'

const {
  AuthError,
  CircuitOpenError,
  InputError,
  InternalError,
  NetworkError,
  ServiceError,
  SourceError,
  StorageError,
  ThrottledError,
  TimeoutError,
} = require('./lib/errors.js')
const { downloadAndUpload, uploadFile, uploadFiles } = require('./lib/default-storage.js')
const { errorResponse } = require('./lib/error-response.js')
const { fromFile } = require('./lib/input/from-file.js')
const { VERSION } = require('./lib/native/index.js')
const { RetryPresets } = require('./lib/presets.js')
const { retryWithBackoff, isRetryableError } = require('./lib/retry.js')
const { Storage, newStorage } = require('./lib/storage.js')

// One literal of plain identifiers: that is what Node's lexer and bundlers can read named exports from.
module.exports = {
  AuthError,
  CircuitOpenError,
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
  errorResponse,
  fromFile,
  isRetryableError,
  newStorage,
  retryWithBackoff,
  uploadFile,
  uploadFiles,
}
