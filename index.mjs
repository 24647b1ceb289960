// The one implementation is CommonJS: `import` and `require` in one program share its classes, so that
// `instanceof` holds across them.
import reliableR2 from './index.js'

export const {
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
  isRetryableError,
  newStorage,
  retryWithBackoff,
  uploadFile,
  uploadFiles,
} = reliableR2

export default reliableR2
