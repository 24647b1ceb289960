import type { StorageError } from './errors.js'
import type { ProgressDetail, RetryEvent } from './events.js'
import type { RetryOptions, RetryPresetName } from './retry.js'
import type { CheckpointStore } from './upload.js'

/** What every call that stores an object takes. */
export interface ObjectOptions {
  /**
   * The object's name: 1 to 1024 bytes of UTF-8, not of blanks alone; without control characters, `\`, `//`, a `/` at its
   * start or end, and `.` or `..` between slashes, which are rewritten on the way by some proxies and browsers.
   */
  key: string
  /** @default the storage's */
  bucket?: string | undefined
  /**
   * Default: what a `Blob`, `Request` or `Response` comes with, else from the first bytes, else from the key's extension,
   * else `application/octet-stream`. Markup (HTML, XML) is what the extension says, where there is one.
   */
  contentType?: string | undefined
  /**
   * `Content-Disposition`: at most 4096 printable ASCII characters. A name in another language goes into
   * `filename*=UTF-8''` and `encodeURIComponent(name)`.
   *
   * @default inline
   */
  contentDisposition?: 'inline' | 'attachment' | (string & {}) | undefined
  /** @deprecated Use `contentDisposition`. */
  disposition?: 'inline' | 'attachment' | (string & {}) | undefined
  /** How `body` is coded already, such as `gzip`; stored as the object's `Content-Encoding`. Not with `compress`. */
  contentEncoding?: string | undefined
  /** The natural language of the object, such as `en`. */
  contentLanguage?: string | undefined
  /** `Cache-Control`. `'immutable'` is short for `public, max-age=31536000, immutable`: for keys never reused. */
  cacheControl?: 'immutable' | (string & {}) | undefined
  /**
   * R2's infrequent access costs less to keep and more to read.
   *
   * @default the bucket's
   */
  storageClass?: 'STANDARD' | 'STANDARD_IA' | undefined
  /**
   * `Cache-Control`, `Content-Encoding`, `Content-Language` and such, each at most 4096 printable ASCII characters;
   * `x-amz-meta-*` is metadata.
   */
  headers?: Readonly<Record<string, string>> | undefined
  /** Your own names and values, at most 8192 bytes together. */
  metadata?: Readonly<Record<string, string>> | undefined
  /** Changes to the storage's retry numbers for this call. */
  retry?: RetryPresetName | RetryOptions | undefined
  /** @default the storage's */
  verifyIntegrity?: boolean | undefined
  /** @deprecated Use `verifyIntegrity`. */
  verifyEtag?: boolean | undefined
  /**
   * `'*'`: only where there is no such object yet; else the code is `PreconditionFailed`. Of several calls one succeeds, also
   * where they store the same bytes and where responses are lost: each write has an identity in the object's metadata.
   */
  ifNoneMatch?: '*' | undefined
  /**
   * Only in place of the object that has this ETag; else the code is `PreconditionFailed`. Like `ifNoneMatch`, it is decided
   * by the primary endpoint: such a write does not fail over.
   */
  ifMatch?: string | undefined
  /** The header `Expires`: when caches must have forgotten it. A string must be one that `Date` understands. */
  expires?: Date | string | undefined
  /**
   * Compresses the body on its way, and stores its `Content-Encoding`: `'gzip'` or `'br'` whatever is not compressed already
   * (pictures, films, archives), `'auto'` as gzip what is known to pack well (text, JSON, SVG and such). What is
   * shorter than 1 KiB stays as it is.
   */
  compress?: 'gzip' | 'br' | 'auto' | undefined
  /**
   * Whether the result is to have the SHA-256 of the stored bytes.
   *
   * @default false
   */
  sha256?: boolean | undefined
  /**
   * Where an upload in parts is remembered: the path of a file, or a store. The same call, after a crash or a
   * failure, sends only the parts that are missing. An upload that fails then leaves its parts, to be resumed;
   * `abortIncompleteUploads` removes what nobody resumed.
   */
  checkpoint?: string | CheckpointStore | undefined
  /** Ends the call, waits included; it rejects with `signal.reason`. */
  signal?: AbortSignal | undefined
  /**
   * Gets whole percents from 0 to 100, never a smaller one than before, at most ten times a second; 100 once the
   * object is stored. Percents stay at 0 while the length is not known. An
   * exception in it is reported by `process.emitWarning` and changes nothing.
   */
  onProgress?: ((percent: number, detail: ProgressDetail) => void) | undefined
  /** Called before each wait. An exception in it is reported like one in `onProgress`. */
  onRetry?: ((event: RetryEvent) => void) | undefined
}

/** Options of `head`, `exists` and `delete`. */
export interface ObjectCallOptions {
  /** Of any object that exists, whichever client stored it: 1 to 1024 bytes of UTF-8. Only uploads are stricter. */
  key: string
  /** @default the storage's */
  bucket?: string | undefined
  /** Changes to the storage's retry numbers for this call. */
  retry?: RetryPresetName | RetryOptions | undefined
  /** Ends the call, waits included; it rejects with `signal.reason`. */
  signal?: AbortSignal | undefined
  /** Called before each wait. An exception in it is reported by `process.emitWarning` and changes nothing. */
  onRetry?: ((event: RetryEvent) => void) | undefined
}

/**
 * What is known of a stored object without its bytes. Headers that another client stored in UTF-8 or Latin-1 come as text; a
 * date that is malformed is absent.
 */
export interface ObjectInfo {
  /** The endpoint that has it: scheme, host and port. */
  endpoint: string
  /** Whether that is another than the primary. */
  failedOver: boolean
  bucket: string
  key: string
  /** In bytes. */
  size: number
  etag?: string
  contentType?: string
  contentDisposition?: string
  /** @deprecated Use `contentDisposition`. */
  disposition?: string
  contentEncoding?: string
  contentLanguage?: string
  cacheControl?: string
  storageClass?: string
  /** The header `Expires`, as it was stored. */
  expires?: string
  lastModified?: Date
  /**
   * By names in lower case, as HTTP headers are: `userId` comes back as `userid`. Values in any language come back as they
   * were given.
   */
  metadata: Record<string, string>
  attempts: number
  elapsedMs: number
}

/** Options of `download`. */
export interface DownloadOptions extends ObjectCallOptions {
  /**
   * The places of the first byte and of the last, from 0.
   *
   * @default all
   */
  range?: { start?: number | undefined; end?: number | undefined } | undefined
  /**
   * Whether a whole object is compared with its ETag, where that is an MD5.
   *
   * @default the storage's
   */
  verifyIntegrity?: boolean | undefined
  /** @deprecated Use `verifyIntegrity`. */
  verifyEtag?: boolean | undefined
  /**
   * Whether a whole object whose `Content-Encoding` is `gzip` or `br` (as `compress` stores it) is decompressed while it is
   * read. Then the result has no `contentEncoding`, and `size` is not the length of `body`. An object whose bytes are not
   * what its `Content-Encoding` says ends `body` with `ERR_INTEGRITY`. With `false`, and for every other coding, `body` has
   * the stored bytes.
   *
   * @default true
   */
  decompress?: boolean | undefined
}

/** A web `ReadableStream` of bytes, as `new Response(body)` and `for await` take it. */
export type ByteStream = AsyncIterable<Uint8Array> &
  (typeof globalThis extends { ReadableStream: { prototype: infer Stream } } ? Stream : unknown)

/**
 * A stored object. `size` is that of the whole as it is stored, also where a range was asked for or `body` is decompressed:
 * it is a `Content-Length` only of a whole object that was not.
 */
export interface StoredObject extends ObjectInfo {
  /** Must be read to its end, or cancelled. */
  body: ByteStream
}

/** What `delete` resolves to. */
export interface DeleteResult {
  bucket: string
  key: string
  attempts: number
  elapsedMs: number
}

/** Options of `list`. */
export interface ListOptions extends Omit<ObjectCallOptions, 'key'> {
  /**
   * Only keys that begin so.
   *
   * @default all
   */
  prefix?: string | undefined
  /** Only keys behind this one, in the order of their UTF-8 bytes. */
  startAfter?: string | undefined
  /**
   * Objects in each response of the storage: 1 to 1000.
   *
   * @default 1000
   */
  pageSize?: number | undefined
}

/** An object that `list` found. */
export interface ListedObject {
  key: string
  /** In bytes. */
  size: number
  etag?: string
  lastModified?: Date
}

/** Options of `publicUrl`. */
export interface PublicUrlOptions {
  /** Of any object that exists, but `.` and `..`, which no URL can hold. */
  key: string
  /** @default the storage's */
  bucket?: string | undefined
}

/** Options of `presign`. */
export interface PresignOptions {
  /** GET: of any object that exists, but `.` and `..`, which no URL can hold. PUT: as of an upload. */
  key: string
  /** @default the storage's */
  bucket?: string | undefined
  /**
   * Whether the URL is for reading or for writing.
   *
   * @default GET
   */
  method?: 'GET' | 'PUT' | undefined
  /**
   * How long the URL works: 1 to 604800 seconds (a week).
   *
   * @default 3600
   */
  expiresInSeconds?: number | undefined
  /** PUT: the sender must send it. GET: what the response says. */
  contentType?: string | undefined
  /** GET only: what the response says. */
  contentDisposition?: string | undefined
  /** @deprecated Use `contentDisposition`. */
  disposition?: string | undefined
}

/** A URL that lets whoever has it read or write one object for a while: keep it out of logs. */
export interface PresignedRequest {
  url: string
  method: 'GET' | 'PUT'
  /** The request must carry these. */
  headers: Record<string, string>
  expiresAt: Date
}

/** Options of `reconcile`. */
export interface ReconcileOptions extends Omit<ObjectCallOptions, 'key' | 'bucket'> {
  /**
   * Only keys that begin so.
   *
   * @default all
   */
  prefix?: string | undefined
  /**
   * Whether what was copied stays at the other endpoint, too, as a copy.
   *
   * @default false
   */
  keep?: boolean | undefined
}

/** What `reconcile` did. */
export interface ReconcileResult {
  /** The keys of the objects that the primary has now. */
  copied: string[]
  /** Of those of which the primary has a newer write. They are removed at the other endpoint. */
  superseded: string[]
  /**
   * Those that could not be copied; they are where they were. The code `Conflict`: both endpoints have one, and which was
   * stored last cannot be determined. Upload it again, or delete the one that is not wanted at its endpoint.
   */
  failed: { key: string; error: StorageError }[]
}

// A declaration file without this exports all of its declarations.
export {}
