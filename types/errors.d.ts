import type { downloadAndUpload, uploadFile } from './storage.js'

/** Options of {@link errorResponse}: those of a `Response`, and who is notified of unexpected errors. */
export interface ErrorResponseInit {
  /**
   * 400 to 599.
   *
   * @default that of the error
   */
  status?: number | undefined
  statusText?: string | undefined
  /** Added to the response, such as those of CORS. `Content-Type` is always `application/json`. */
  headers?: Readonly<Record<string, string>> | Iterable<readonly [string, string]> | undefined
  /**
   * Called with an error that becomes a 500 and that nothing else has logged: a missing variable, an exception of the
   * route itself.
   *
   * @default console.error
   */
  onError?: ((error: unknown) => void) | undefined
}

/** A `Response`, where the types of the web are known. */
export type WebResponse = typeof globalThis extends { Response: { prototype: infer Web } } ? Web : unknown

/** The body of {@link errorResponse}. */
export interface ErrorResponseBody {
  code: StorageErrorCode
  /** A sentence that is safe to show to the person in front of the page. */
  userMessage: string
}

/**
 * A `Response` for whatever a route has caught: a status, and JSON of `code` and `userMessage` only
 * ({@link ErrorResponseBody}). No message, host, path or cause of the error reaches the browser.
 *
 * | status | for |
 * |---|---|
 * | 400 | input that was refused; a body that broke off or has another length than announced |
 * | 404 | no such object |
 * | 409, 412 | a competing write; `ifMatch` or `ifNoneMatch` did not hold |
 * | 413 | more than `maxBytes` |
 * | 416 | a range outside the object |
 * | 499 | an abort |
 * | 500 | a missing or wrong configuration, credentials that were refused, and errors that are not a {@link StorageError} |
 * | 502 | the source of `downloadAndUpload` failed; the storage refused the request as it is |
 * | 503, with `Retry-After` | failures that pass: connections, timeouts, throttling, an open circuit breaker, 5xx |
 *
 * Rethrows what Next.js throws to end a request (`redirect()`, `notFound()`).
 *
 * @throws {InputError} for a wrong `init`.
 */
export declare function errorResponse(error: unknown, init?: ErrorResponseInit | null): WebResponse

/** What kind of thing went wrong. */
export type StorageErrorCategory =
  | 'network'
  | 'timeout'
  | 'throttled'
  | 'auth'
  | 'input'
  | 'source'
  | 'service'
  | 'aborted'
  | 'internal'

/** Codes of failures that neither Node nor S3 has a name for. */
export type ReliableR2ErrorCode =
  | 'ERR_ABORTED'
  | 'ERR_BLOCKED_URL'
  | 'ERR_CIRCUIT_OPEN'
  | 'ERR_CLOSED'
  | 'ERR_INTEGRITY'
  | 'ERR_INTERNAL'
  | 'ERR_INVALID_BODY'
  | 'ERR_INVALID_KEY'
  | 'ERR_INVALID_METADATA'
  | 'ERR_INVALID_OPTION'
  | 'ERR_INVALID_URL'
  | 'ERR_MISSING_OPTION'
  | 'ERR_PROTOCOL'
  | 'ERR_REDIRECT'
  | 'ERR_SOURCE_CHANGED'
  | 'ERR_SOURCE_EMPTY'
  | 'ERR_SOURCE_ENCODING'
  | 'ERR_SOURCE_FAILED'
  | 'ERR_SOURCE_LENGTH'
  | 'ERR_SOURCE_STATUS'
  | 'ERR_TOO_LARGE'
  | 'ERR_TOO_SMALL'
  | 'ERR_UNSUPPORTED'

/** Node's code where there is one (`ECONNRESET`), else S3's (`SlowDown`), else one of ours. */
export type StorageErrorCode =
  | ReliableR2ErrorCode
  | 'ECONNRESET'
  | 'ECONNREFUSED'
  | 'ETIMEDOUT'
  | 'ENOTFOUND'
  | 'EAI_AGAIN'
  | 'EPIPE'
  | (string & {})

/**
 * A call that failed. `instanceof` holds for errors of another copy of the package, too. The message of a timeout contains
 * "timeout", that of a network failure its code. No error ever holds a secret, a signature or a URL's query. What each code
 * means, and what to do: `docs/errors.md`.
 */
export declare class StorageError extends Error {
  protected constructor()
  readonly code: StorageErrorCode
  readonly category: StorageErrorCategory
  /** Whether the same call may succeed later. */
  readonly retryable: boolean
  /** 0 if nothing was sent. */
  readonly attempts: number
  readonly elapsedMs: number
  readonly operation: string
  readonly key?: string
  /** The HTTP status with which the storage, or the source, responded. */
  readonly status?: number
  /**
   * The HTTP status with which a route should report this to a browser; see {@link errorResponse}. Never 401 or 403: what
   * the storage refused is the server's affair.
   */
  readonly httpStatus: number
  /** The service's name for the request. */
  readonly requestId?: string
  readonly host?: string
  /** The option that is wrong, as it was written: `retry.maxAttempts`. */
  readonly option?: string
  /** How long the service asked to be left alone, in milliseconds. */
  readonly retryAfterMs?: number
  /** A sentence that is safe to show to the person in front of the page. */
  readonly userMessage: string
  toJSON(): StorageErrorJson
}

/** A {@link StorageError} as plain data. */
export interface StorageErrorJson {
  name: string
  message: string
  code: StorageErrorCode
  category: StorageErrorCategory
  retryable: boolean
  attempts: number
  elapsedMs: number
  operation: string
  userMessage: string
  key?: string
  option?: string
  status?: number
  requestId?: string
  host?: string
  retryAfterMs?: number
  /** Messages of the causes, outermost first. */
  causes?: string[]
}

/** Input that was refused, before anything was sent or by the service. */
export declare class InputError extends StorageError {
  readonly category: 'input'
}

/** No connection, or a broken one. */
export declare class NetworkError extends StorageError {
  readonly category: 'network'
}

/**
 * The endpoint has not responded for a while, and nothing was sent. Only calls without a deadline fail so; others wait
 * for the breaker to let them pass. `retryAfterMs` says when that may be.
 */
export declare class CircuitOpenError extends NetworkError {
  readonly code: 'ERR_CIRCUIT_OPEN'
  readonly retryAfterMs: number
}

/** An attempt that did not end in time. */
export declare class TimeoutError extends StorageError {
  readonly category: 'timeout'
}

/** 429 or SlowDown: too many requests. */
export declare class ThrottledError extends StorageError {
  readonly category: 'throttled'
}

/** Credentials that the service did not accept, or that may not do this. */
export declare class AuthError extends StorageError {
  readonly category: 'auth'
}

/** The source failed, gave up or gave something else: what `downloadAndUpload` fetches, or a stream or file of `uploadFile`. */
export declare class SourceError extends StorageError {
  readonly category: 'source'
}

/** The storage service responded with a failure. */
export declare class ServiceError extends StorageError {
  readonly category: 'service'
}

/** A failure inside this package. */
export declare class InternalError extends StorageError {
  readonly category: 'internal'
}

// A declaration file without this exports all of its declarations.
export {}
