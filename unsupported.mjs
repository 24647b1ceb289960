// What the Edge runtime gets. The names stand here so that a bundler does not report missing exports
// instead of the sentence below.
export const AuthError = undefined
export const CircuitOpenError = undefined
export const InputError = undefined
export const InternalError = undefined
export const NetworkError = undefined
export const RetryPresets = undefined
export const ServiceError = undefined
export const SourceError = undefined
export const Storage = undefined
export const StorageError = undefined
export const ThrottledError = undefined
export const TimeoutError = undefined
export const VERSION = undefined
export const downloadAndUpload = undefined
export const isRetryableError = undefined
export const newStorage = undefined
export const retryWithBackoff = undefined
export const uploadFile = undefined
export const uploadFiles = undefined
export default undefined

const error = new Error(
  'reliable-r2 needs the Node.js runtime: it is a native addon and runs neither in the Edge runtime nor in a browser. ' +
    "In a Next.js route, replace `export const runtime = 'edge'` by `export const runtime = 'nodejs'`; " +
    'from a page or a client component, call such a route instead of importing this package.',
)
error.code = 'ERR_UNSUPPORTED'
throw error
