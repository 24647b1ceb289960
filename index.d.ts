/// <reference lib="esnext.disposable" />

/** The version of this package and of its native part. */
export declare const VERSION: string

/**
 * What to store. Bytes are copied before `uploadFile` returns: changing them afterwards changes nothing that
 * is stored. A string is stored as UTF-8. Streams, files, requests and large Blobs are read as they are sent,
 * once, and survive retries; memory holds `multipartThresholdBytes`, or the parts in flight.
 */
export type UploadBody =
  | ArrayBufferView
  | ArrayBuffer
  | SharedArrayBuffer
  | Blob
  | string
  | WebStream
  | AsyncIterable<ArrayBufferView | ArrayBuffer | string>
  | HttpBody
  | FilePath
  | URL

/** A web `ReadableStream`, of whatever library's types. */
export interface WebStream {
  readonly locked: boolean
  getReader(): unknown
}

/** A `Request` or `Response`. Its `Content-Length`, where it counts what comes, must be what comes. */
export interface HttpBody {
  readonly bodyUsed: boolean
  readonly body: unknown
  readonly headers: { get(name: string): string | null }
  formData(): unknown
}

/** A file. A `URL` with `file:` names one, too. */
export interface FilePath {
  path: string
}

/** The name of a set of retry numbers; see {@link RetryPresets}. */
export type RetryPresetName = 'fast' | 'standard' | 'fileUpload' | 'aggressive' | 'persistent'

/**
 * How the wait before an attempt is drawn from its full length `d`: `bounded` from 2d/3 to d (the default),
 * `full` from 0 to d, `none` always d.
 */
export type Jitter = 'bounded' | 'full' | 'none'

/** The numbers of a preset. Times are in milliseconds. */
export interface RetryPreset {
  /** Attempts in all, the first one included. */
  readonly maxAttempts: number
  /** Full length of the first wait; each later one is twice as long. */
  readonly initialDelayMs: number
  /** No wait is longer, unless the server asks for it by `Retry-After`. */
  readonly maxDelayMs: number
  /** For each attempt. */
  readonly timeout: number
  /** For the whole call, waits included. Absent: bounded by `maxAttempts` only. */
  readonly deadlineMs?: number
}

/**
 * Changes to the retry numbers. What is absent comes from `preset`; without one, in a call from the storage,
 * and in a storage from the preset `fileUpload`. Times are whole numbers of milliseconds up to 2147483647.
 */
export interface RetryOptions {
  /** The numbers to start from. */
  preset?: RetryPresetName | undefined
  /** Attempts in all, the first one included: 1 to 100. */
  maxAttempts?: number | undefined
  /** Full length of the first wait; each later one is twice as long. At most `maxDelayMs`. */
  initialDelayMs?: number | undefined
  /** No wait is longer, unless the server asks for it by `Retry-After`. */
  maxDelayMs?: number | undefined
  /** For each attempt, in milliseconds; at least 1. */
  timeout?: number | undefined
  /** After an attempt that timed out, the next one may take this many times as long: 1 to 100. Default 2. */
  timeoutGrowth?: number | undefined
  /** For the whole call in milliseconds, waits included; at least 1. No wait goes past it. */
  deadlineMs?: number | undefined
  /** Default `bounded`. */
  jitter?: Jitter | undefined
}

/**
 * The presets, frozen. Each can be given wherever retry options are, as can its name.
 *
 * | preset | maxAttempts | initialDelayMs | maxDelayMs | timeout | deadlineMs |
 * |---|---|---|---|---|---|
 * | fast | 3 | 500 | 5000 | 15000 | |
 * | standard | 3 | 1000 | 10000 | 30000 | |
 * | fileUpload | 4 | 1500 | 15000 | 60000 | |
 * | aggressive | 5 | 2000 | 20000 | 60000 | |
 * | persistent | 50 | 100 | 2000 | 30000 | 120000 |
 */
export declare const RetryPresets: {
  /** For small objects where a person waits. */
  readonly fast: RetryPreset
  readonly standard: RetryPreset
  /** The default of a storage. */
  readonly fileUpload: RetryPreset
  readonly aggressive: RetryPreset
  /** Bounded by time rather than by count: 50 attempts within two minutes, and a breaker that is open is waited for. */
  readonly persistent: Required<RetryPreset>
}

/**
 * Where log lines go: `console`, winston, or any object with such methods, each of which gets one string. A logger that
 * has `child` and either a method `bindings` (pino) or an object `fields` (bunyan) gets `(fields, message)` instead,
 * with `event` among the fields: `'retry'`, `'failover'`, `'breaker'`, `'success'` or `'failure'`.
 */
export interface Logger {
  /** Calls that succeeded. */
  debug?(line: string): void
  /** A circuit breaker that closed or tries again. */
  info?(line: string): void
  /** `[Storage] Upload retry ...`, a failover, a circuit breaker that opened. */
  warn?(line: string): void
  /** `[Critical] Failed to upload ...` */
  error?(line: string): void
}

/** The least that is logged; `silent` is nothing at all. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/**
 * A storage's configuration. Fields that are absent, `null` or empty come from the environment, where a
 * variable is named. What is given is checked at once, what is missing only by the first call, so that
 * `next build` can import a route without its environment.
 */
export interface StorageConfig {
  /**
   * `https://<account id>.r2.cloudflarestorage.com`, or another S3 server's URL. Default `STORAGE_ENDPOINT`.
   * `http` for loopback addresses only, unless `allowHttp` is set.
   */
  endpoint?: string | undefined
  /** Default `STORAGE_REGION`, else `auto`. */
  region?: string | undefined
  /** Default `STORAGE_ACCESS_KEY`. */
  accessKey?: string | undefined
  /** Default `STORAGE_SECRET_KEY`. */
  secretKey?: string | undefined
  /** For temporary credentials. */
  sessionToken?: string | undefined
  /** Default `STORAGE_BUCKET`. */
  bucket?: string | undefined
  /** The public domain of the bucket, from which results get their `url`. Default `STORAGE_DOMAIN`. */
  domain?: string | undefined
  /**
   * Instead of `endpoint`: 1 to 8 endpoints, the primary first. An upload that the primary cannot take goes to the next
   * one, whole; the result's `endpoint` tells where it went, and `reconcile` brings it back. What an item lacks is
   * taken from this configuration and the environment; keys come together, and `domain` is the primary's alone.
   */
  endpoints?: readonly EndpointConfig[] | undefined
  /**
   * Other defaults, for the kind of program this is:
   *
   * | profile | attempts | waits | timeout of an attempt | deadline |
   * |---|---|---|---|---|
   * | `serverless` | 50 | 100 ms to 2 s | a third of the deadline, at most 30 s | `maxDurationMs`, less a second |
   * | `worker` | 100 | 1 s to 30 s | 60 s | 10 minutes |
   * | `cli` | 10 | 500 ms to 5 s | 60 s | 5 minutes |
   *
   * Default: none, and `retry` is `fileUpload`.
   */
  profile?: 'serverless' | 'worker' | 'cli' | undefined
  /** How long the platform lets the function run, in milliseconds; at least 2000. With `serverless`. Default 60000. */
  maxDurationMs?: number | undefined
  /**
   * Whether a read or a part that is slower than 95 percent of its kind is sent a second time, and the first answer
   * counts; at most 5 percent of all. Default `false`.
   */
  hedging?: boolean | undefined
  /** Whether the endpoint may be `http` on other hosts than loopback. Default `false`. */
  allowHttp?: boolean | undefined
  /** Certificates in PEM to trust besides the system's and those of `NODE_EXTRA_CA_CERTS`. */
  caCertificates?: readonly string[] | undefined
  /** Default `fileUpload`. */
  retry?: RetryPresetName | RetryOptions | undefined
  /** Another name of `retry`; give one of them. */
  retryOptions?: RetryPresetName | RetryOptions | undefined
  /**
   * Whether it is proven that R2 has the bytes that were sent: by a CRC-64/NVME that R2 verifies, else by an ETag that is
   * their MD5. `false` relies on the signature. Default `true`.
   */
  verifyEtag?: boolean | undefined
  /** How long a connection may take to be made, in milliseconds. Default 10000. */
  connectTimeoutMs?: number | undefined
  /**
   * How long a transfer may go without a byte, in milliseconds; then the attempt ends and another begins. How long
   * the storage thinks about what it has got is bounded by the attempt's `timeout`. Default 10000.
   */
  stallTimeoutMs?: number | undefined
  /** Whether `downloadAndUpload` may fetch from private, loopback and link-local addresses. Default `false`. */
  allowPrivateNetworks?: boolean | undefined
  /** Hosts that `downloadAndUpload` may fetch from whatever their address is; `*.suffix` for all names below. */
  allowedHosts?: readonly string[] | undefined
  /** The largest object that `downloadAndUpload` fetches, in bytes. Default 104857600 (100 MiB). */
  maxBytes?: number | undefined
  /** Uploads that `uploadFiles` keeps in flight: 1 to 256. Default 4. */
  concurrency?: number | undefined
  /**
   * Requests to an endpoint that are in flight at once, and so its connections: 1 to 10000. More wait for their turn,
   * which counts for `deadlineMs` and not for an attempt's `timeout`. Default 256.
   */
  maxConnections?: number | undefined
  /** Larger objects are sent in parts: 5242880 (5 MiB) to 5363466240. Default 16777216 (16 MiB). */
  multipartThresholdBytes?: number | undefined
  /** Bytes in a part: 5242880 to 5363466240; more where 10,000 parts would not do. Default 8388608 (8 MiB). */
  partSizeBytes?: number | undefined
  /** Parts of one object in flight: 1 to 16. Default 4. */
  partConcurrency?: number | undefined
  /** Default: `console`. `false` silences. */
  logger?: Logger | false | undefined
  /**
   * Default `info`; for the console in production (`NODE_ENV`) `error`, so that it hears of failed uploads only. A logger
   * may be stricter by itself. With `debug`, lines have their details in production, too.
   */
  logLevel?: LogLevel | undefined
  /**
   * For the console: a line for people, or an object in JSON a line with `level`, `time` (ISO 8601), `msg` and the fields
   * that a structured logger gets. Default `pretty`.
   */
  logFormat?: 'pretty' | 'json' | undefined
  /**
   * Whether spans and measurements go to OpenTelemetry, where `@opentelemetry/api` is installed and an SDK registered.
   * Default `true`.
   */
  openTelemetry?: boolean | undefined
}

/** An item of `endpoints`. */
export interface EndpointConfig {
  /** As of {@link StorageConfig.endpoint}; also another region, jurisdiction or provider. A missing one is told by the first call. */
  endpoint: string | undefined
  region?: string | undefined
  accessKey?: string | undefined
  secretKey?: string | undefined
  sessionToken?: string | undefined
  bucket?: string | undefined
  /** The public domain of this bucket. */
  domain?: string | undefined
}

/** How far an upload is. */
export interface ProgressDetail {
  readonly loadedBytes: number
  /** Absent while it is not known: of streams without a length, and of bodies that are compressed on the way. */
  readonly totalBytes?: number
  /** The part that moved last; 1 for an object in one request. */
  readonly part: number
  /** Of late; at the end, of the whole. */
  readonly bytesPerSecond: number
  /** The attempt that is under way; 1 for the first. */
  readonly attempt: number
}

/** An attempt that failed and will be followed by another. */
export interface RetryEvent {
  readonly operation: MeteredOperation
  /** Absent for `list`, `cleanup` and `reconcile`. */
  readonly key?: string
  /** The attempt that failed; 1 for the first. */
  readonly attempt: number
  readonly maxAttempts: number
  /** How long the attempt took to fail, in milliseconds. */
  readonly attemptMs: number
  /** The wait before the next attempt, in milliseconds. */
  readonly delayMs: number
  readonly code: StorageErrorCode
  readonly category: StorageErrorCategory
  readonly message: string
  readonly status?: number
  readonly host?: string
  /** Since the call began, in milliseconds. */
  readonly elapsedMs: number
}

/**
 * What {@link Storage.on} can listen to. `node:diagnostics_channel` has the same for all storages of the process, as
 * `reliable-r2:attempt`, `reliable-r2:retry` and so on. Events are frozen, and none is made while nobody listens. Signing
 * a URL sends nothing and is not told.
 */
export interface StorageEvents {
  /** An attempt ended. Of an object in parts: each attempt of a part that failed, and the last of all. */
  attempt: AttemptEvent
  /** An attempt failed and another will follow. */
  retry: RetryEvent
  /** A call succeeded; a download, when its bytes were read. */
  success: SuccessEvent
  /** A call failed or was called off. */
  failure: FailureEvent
  /** The circuit breaker of an endpoint opened, closed, or tries. Belongs to no call, and runs in the context in which the storage was made. */
  breaker: BreakerEvent
  /** A call goes on at another endpoint. */
  failover: FailoverEvent
}

/** An attempt that ended. One that was called off is not told. */
export type AttemptEvent = SucceededAttempt | FailedAttempt

export interface SucceededAttempt {
  readonly operation: MeteredOperation
  /** Absent for `list`, `cleanup` and `reconcile`. */
  readonly key?: string
  /** 1 for the first. */
  readonly attempt: number
  readonly outcome: 'succeeded'
  /** How long the attempt took, in milliseconds; of the last one with its waits for pacing. */
  readonly attemptMs: number
  /** Since the call began, in milliseconds. */
  readonly elapsedMs: number
}

export interface FailedAttempt extends Omit<SucceededAttempt, 'outcome'> {
  readonly outcome: 'failed'
  readonly code: StorageErrorCode
  readonly category: StorageErrorCategory
  readonly message: string
  readonly status?: number
  readonly host?: string
}

/** A call that succeeded. */
export interface SuccessEvent {
  readonly operation: MeteredOperation
  /** Absent for `list`, `cleanup` and `reconcile`. */
  readonly key?: string
  /** Of an upload: where it went. */
  readonly endpoint?: string
  readonly bucket?: string
  readonly attempts: number
  /** Of the object, in bytes, where that is known. */
  readonly size?: number
  readonly elapsedMs: number
}

/** A call that failed or was called off. */
export interface FailureEvent {
  readonly operation: MeteredOperation
  /** Absent for `list`, `cleanup` and `reconcile`. */
  readonly key?: string
  /** `ERR_ABORTED` if the caller's signal ended the call. */
  readonly code: StorageErrorCode
  readonly category: StorageErrorCategory
  /** 0 if nothing was sent, or if the caller's signal ended the call. */
  readonly attempts: number
  /** What the call rejects with: a {@link StorageError}, or `signal.reason`. */
  readonly error: unknown
  readonly elapsedMs: number
}

/** A circuit breaker that changed its state. */
export interface BreakerEvent {
  /** `https://host` or `https://host:port`. */
  readonly endpoint: string
  readonly state: BreakerState
  readonly previousState: BreakerState
  /** When the next request is let through to try, in milliseconds from now. */
  readonly retryAfterMs?: number
}

/** A call that goes on at another endpoint. */
export interface FailoverEvent {
  readonly operation: MeteredOperation
  readonly key?: string
  /** Where it goes on: `https://host` or `https://host:port`. */
  readonly endpoint: string
  /** Of the failure that made it leave the endpoint before. */
  readonly code: StorageErrorCode
  readonly elapsedMs: number
}

/** What every call that stores an object takes. */
export interface ObjectOptions {
  /**
   * The object's name: 1 to 1024 bytes of UTF-8, not of blanks alone; without control characters, `\`, `//`, a `/` at its
   * start or end, and `.` or `..` between slashes, which are rewritten on the way by some proxies and browsers.
   */
  key: string
  /** Default: the storage's. */
  bucket?: string | undefined
  /**
   * Default: what a `Blob`, `Request` or `Response` comes with, else from the first bytes, else from the key's extension,
   * else `application/octet-stream`. Markup (HTML, XML) is what the extension says, where there is one.
   */
  contentType?: string | undefined
  /** `Content-Disposition`. Default `inline`. */
  disposition?: 'inline' | 'attachment' | (string & {}) | undefined
  /** `Cache-Control`. `'immutable'` is short for `public, max-age=31536000, immutable`: for keys never reused. */
  cacheControl?: 'immutable' | (string & {}) | undefined
  /** R2's infrequent access costs less to keep and more to read. Default: the bucket's. */
  storageClass?: 'STANDARD' | 'STANDARD_IA' | undefined
  /** `Cache-Control`, `Content-Encoding`, `Content-Language` and such; `x-amz-meta-*` is metadata. */
  headers?: Readonly<Record<string, string>> | undefined
  /** Your own names and values, at most 8192 bytes together. */
  metadata?: Readonly<Record<string, string>> | undefined
  /** Changes to the storage's retry numbers for this call. */
  retry?: RetryPresetName | RetryOptions | undefined
  /** Default: the storage's. */
  verifyEtag?: boolean | undefined
  /** `'*'`: only where there is no such object yet; else the code is `PreconditionFailed`. */
  ifNoneMatch?: '*' | undefined
  /** Only in place of the object that has this ETag; else the code is `PreconditionFailed`. */
  ifMatch?: string | undefined
  /** The header `Expires`: when caches must have forgotten it. A string must be one that `Date` understands. */
  expires?: Date | string | undefined
  /**
   * Packs the body on its way, and stores its `Content-Encoding`: `'gzip'` or `'br'` whatever is not packed already
   * (pictures, films, archives), `'auto'` as gzip what is known to pack well (text, JSON, SVG and such). What is
   * shorter than 1 KiB stays as it is.
   */
  compress?: 'gzip' | 'br' | 'auto' | undefined
  /** Whether the result is to have the SHA-256 of the stored bytes. Default `false`. */
  sha256?: boolean | undefined
  /**
   * Where an upload in parts is remembered: the path of a file, or a store. The same call, after a crash or a
   * failure, sends only the parts that are missing. An upload that fails then leaves its parts, to be gone on with;
   * `cleanup` removes what nobody went on with.
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

/** A `Map`, or what is like one: a key-value store. Keys hold the object's key, values are short texts. */
export interface CheckpointStore {
  get(id: string): string | null | undefined | PromiseLike<string | null | undefined>
  set(id: string, value: string): unknown
  delete(id: string): unknown
}

/** Options of `uploadFile`. */
export interface UploadOptions extends ObjectOptions {
  /**
   * The bytes, or where they come from. A `Blob` with a `type`, a `Request` and a `Response` give the content
   * type where none is given.
   */
  body: UploadBody
  /** How many bytes there are, where you know: other than so many are an error, and nothing is stored. */
  contentLength?: number | undefined
  /** More bytes are an error (`ERR_TOO_LARGE`), and nothing is stored. Default: no limit. */
  maxBytes?: number | undefined
}

/** Options of `downloadAndUpload`. */
export interface DownloadOptions extends ObjectOptions {
  /**
   * `https` on port 443 of a public host, without a user name or password; `allowedHosts` opens `http`, other ports and
   * names.
   */
  url: string | URL
  /** Headers of the request to `url`. */
  sourceHeaders?: Readonly<Record<string, string>> | undefined
  /** Default: the storage's. */
  maxBytes?: number | undefined
  /** Default: the storage's. */
  allowPrivateNetworks?: boolean | undefined
  /** Default: the storage's. */
  allowedHosts?: readonly string[] | undefined
}

/** A stored object. */
export interface UploadResult {
  /** The endpoint that has it: scheme, host and port. */
  endpoint: string
  /** Whether that is another than the primary. */
  failedOver: boolean
  /** The object's address at the endpoint. */
  location: string
  bucket: string
  key: string
  /** The last segment of `key`. */
  filename: string
  /** The address under `domain` where one is set, whatever the bucket, else `location`. */
  url: string
  etag?: string
  /** In bytes. */
  size: number
  contentType: string
  /** Attempts that it took, the successful one included; in parts, those of the part that took most. */
  attempts: number
  /** Requests that the bytes were sent in: 1, or the number of parts. */
  parts: number
  /** Those of the parts that were there already; of an object in parts that has a `checkpoint`. */
  resumedParts?: number
  /** Of the stored bytes, where it was asked for; in hex. */
  sha256?: string
  /** How the stored bytes are packed, where `compress` did. */
  contentEncoding?: string
  elapsedMs: number
  /** The service's name for the request. */
  requestId?: string
  /** True where every answer was lost, and a HEAD afterwards found these bytes and headers stored; else absent. */
  settledByHead?: true
}

/** An item of `uploadFiles`: with `url` it is fetched first, with `body` it is stored. */
export type UploadItem = (UploadOptions & { url?: undefined }) | (DownloadOptions & { body?: undefined })

/** What became of an item of `uploadFiles`. */
export type UploadOutcome = UploadSuccess | UploadFailure

export interface UploadSuccess extends UploadResult {
  uploadError: false
}

export interface UploadFailure {
  uploadError: true
  /** Safe to show. */
  errorMessage: string
  /** A {@link StorageError}, or `signal.reason` where the item's signal ended it. */
  error: unknown
  key?: string | undefined
}

/** Options of `uploadFiles`. */
export interface UploadFilesOptions {
  /** Uploads in flight at once: 1 to 256. Default: the storage's. */
  concurrency?: number | undefined
  /** Of every item that has none of its own. What it ends has an outcome as what fails. */
  signal?: AbortSignal | undefined
}

/** Options of `head`, `exists` and `delete`. */
export interface ObjectCallOptions {
  /** As of an upload; it may end in a `/`, as the folders do that dashboards make. */
  key: string
  /** Default: the storage's. */
  bucket?: string | undefined
  /** Changes to the storage's retry numbers for this call. */
  retry?: RetryPresetName | RetryOptions | undefined
  /** Ends the call, waits included; it rejects with `signal.reason`. */
  signal?: AbortSignal | undefined
  /** Called before each wait. An exception in it is reported by `process.emitWarning` and changes nothing. */
  onRetry?: ((event: RetryEvent) => void) | undefined
}

/** What is known of a stored object without its bytes. */
export interface ObjectInfo {
  bucket: string
  key: string
  /** In bytes. */
  size: number
  etag?: string
  contentType?: string
  disposition?: string
  contentEncoding?: string
  contentLanguage?: string
  cacheControl?: string
  storageClass?: string
  /** The header `Expires`, as it was stored. */
  expires?: string
  lastModified?: Date
  metadata: Record<string, string>
  attempts: number
  elapsedMs: number
}

/** Options of `download`. */
export interface ReadOptions extends ObjectCallOptions {
  /** The places of the first byte and of the last, from 0. Default: all. */
  range?: { start?: number | undefined; end?: number | undefined } | undefined
  /** Whether a whole object is compared with its ETag, where that is an MD5. Default: the storage's. */
  verifyEtag?: boolean | undefined
}

/** A web `ReadableStream` of bytes, as `new Response(body)` and `for await` take it. */
export type ByteStream = AsyncIterable<Uint8Array> &
  (typeof globalThis extends { ReadableStream: { prototype: infer Stream } } ? Stream : unknown)

/** A stored object. `size` is that of the whole, also where a range was asked for. */
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
  /** Only keys that begin so. Default: all. */
  prefix?: string | undefined
  /** Only keys behind this one, in the order of their UTF-8 bytes. */
  startAfter?: string | undefined
  /** Objects in each answer of the storage: 1 to 1000. Default 1000. */
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

/** Options of `cleanup`. */
export interface CleanupOptions extends Omit<ObjectCallOptions, 'key'> {
  /** Only uploads to keys that begin so. Default: all. */
  prefix?: string | undefined
  /** Only uploads that were begun before. Default: a day ago. */
  olderThan?: Date | string | undefined
}

/** What `cleanup` did. */
export interface CleanupResult {
  removed: OpenUpload[]
  /** How many younger ones it left. */
  kept: number
}

/** An upload in parts that was neither completed nor aborted. */
export interface OpenUpload {
  key: string
  uploadId: string
  initiated?: Date
}

/** Options of `urlOf`. */
export interface ObjectAddress {
  key: string
  /** Default: the storage's. */
  bucket?: string | undefined
}

/** Options of `presign`. */
export interface PresignOptions {
  key: string
  /** Default: the storage's. */
  bucket?: string | undefined
  /** Whether the URL is for reading or for writing. Default `GET`. */
  method?: 'GET' | 'PUT' | undefined
  /** How long the URL works: 1 to 604800 seconds (a week). Default 3600. */
  expiresInSeconds?: number | undefined
  /** PUT: the sender must send it. GET: what the answer says. */
  contentType?: string | undefined
  /** GET only: what the answer says. */
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
  /** Only keys that begin so. Default: all. */
  prefix?: string | undefined
  /** Whether what was copied stays at the other endpoint, too. Default `false`. */
  keep?: boolean | undefined
}

/** What `reconcile` did. */
export interface ReconcileResult {
  /** The keys of the objects that the primary has now. */
  copied: string[]
  /** Of those of which the primary had got a newer one meanwhile. */
  superseded: string[]
  /** Those that could not be copied; they are where they were. */
  failed: { key: string; error: StorageError }[]
}

/** How a storage does; see {@link Storage.metrics}. */
export interface Metrics {
  /** Since the storage was first used, in milliseconds. */
  ageMs: number
  /** What calls came to, by the method that was called; of those that were. */
  operations: Partial<Record<MeteredOperation, OperationMetrics>>
  /** The primary first. */
  endpoints: EndpointMetrics[]
}

export type MeteredOperation =
  | 'uploadFile'
  | 'downloadAndUpload'
  | 'download'
  | 'head'
  | 'delete'
  | 'list'
  | 'cleanup'
  | 'reconcile'

export interface OperationMetrics {
  total: CallStats
  lastMinute: CallStats
  lastFiveMinutes: CallStats
  lastHour: CallStats
  history: {
    /** In steps of 15 seconds. */
    lastFiveMinutes: HistoryStep[]
    /** In steps of a minute. */
    lastHour: HistoryStep[]
  }
}

/** A step of a history; steps in which nothing was counted are left out. */
export interface HistoryStep {
  /** When it began, in milliseconds since the epoch. */
  at: number
  succeeded: number
  failed: number
  retries: number
  latencyMs: LatencyStats | null
}

export interface CallStats {
  calls: number
  succeeded: number
  failed: number
  /** Ended by a signal or by `close`: neither a success nor a failure. */
  calledOff: number
  /** From 0 to 1, of the calls that succeeded or failed; null where there were none. */
  successRate: number | null
  /** In all, also of the calls that are still under way; those of each part, where there are parts. */
  attempts: number
  /** Attempts that failed and were followed by another. */
  retries: number
  /** By the code of the attempt that failed. */
  retriesByCode: Record<string, number>
  /** Of calls that failed, by their code. */
  failuresByCode: Record<string, number>
  /** Of the objects that calls stored. */
  storedBytes: number
  /** How long calls took, waits included; null where there were none. */
  latencyMs: LatencyStats | null
  /** What their time was made of. */
  phasesMs: {
    /** Each attempt. */
    attempt: LatencyStats | null
    /** Each wait after a failed attempt. */
    wait: LatencyStats | null
    /** Each wait for leave to begin: for pacing, an open breaker, or an earlier write to the same key. */
    queue: LatencyStats | null
  }
}

/** In milliseconds, to within 7 percent. */
export interface LatencyStats {
  p50: number
  p95: number
  p99: number
  max: number
}

/** An endpoint as it is now. */
export interface EndpointMetrics {
  /** Scheme, host and port. */
  endpoint: string
  bucket: string
  role: 'primary' | 'failover'
  breaker: {
    state: BreakerState
    /** Until the next request may pass, in milliseconds; null while all may. */
    retryAfterMs: number | null
    /** How often it was opened. */
    opened: number
  }
  pacing: {
    /** Whether the endpoint has asked for fewer requests of late. */
    limiting: boolean
    /** That are allowed; null while there is no limit. */
    requestsPerSecond: number | null
    /** Requests in flight that are allowed; null while there is no limit. */
    concurrency: number | null
  }
  inFlight: number
  /** Attempts that wait for leave to begin. */
  queued: number
  /** Connections that could not be made and were tried again within an attempt. */
  reconnects: number
  /** Requests that were sent a second time; see `hedging`. */
  hedged: number
  /** How it is proven that the bytes of objects and of parts have arrived; see `verifyEtag`. Null before the first. */
  verifiedBy: { objects: Verification | null; parts: Verification | null }
}

/**
 * `checksum`: a CRC-64/NVME that the storage has verified, as R2 does. `md5`: the ETag is that of the bytes.
 * `signature`: it covers the bytes.
 */
export type Verification = 'checksum' | 'md5' | 'signature'

/** `closed`: requests pass. `open`: none does. `halfOpen`: one is under way, to find out. */
export type BreakerState = 'closed' | 'open' | 'halfOpen'

/** A call that failed, and what to do about it; see {@link Storage.recentFailures}. */
export interface RecentFailure {
  /** In milliseconds since 1970. */
  at: number
  operation: MeteredOperation | 'presign'
  key?: string
  code: StorageErrorCode
  category: StorageErrorCategory
  status?: number
  host?: string
  requestId?: string
  /** 0 if nothing was sent. */
  attempts: number
  elapsedMs: number
  message: string
  /** What the person in front of the page may have been told. */
  userMessage: string
  /** For whoever is on call. */
  advice: {
    /** What the code means, in a sentence. */
    means: string
    /** What to look at or to do, the likeliest first. */
    steps: string[]
  }
}

/** A bucket to upload to. Holds connections; one for each configuration is enough for a process. */
export declare class Storage {
  /** @throws {InputError} for a wrong value or an unknown option. Never for a missing one. */
  constructor(config?: StorageConfig | null)
  /**
   * Stores `body` as `key`. Retries what another attempt can mend.
   *
   * Rejects with {@link StorageError}, or with `signal.reason` if `signal` ended the call.
   */
  uploadFile(options: UploadOptions): Promise<UploadResult>
  /**
   * Stores what `url` gives as `key`, as it comes. The download is retried by itself and goes on where it broke
   * off; one that cannot be had whole, of one version, stores nothing. Addresses of private networks are refused,
   * also behind redirects; see `allowPrivateNetworks` and `allowedHosts`. Memory as of `uploadFile`.
   *
   * Rejects with {@link StorageError}, or with `signal.reason` if `signal` ended the call.
   */
  downloadAndUpload(options: DownloadOptions): Promise<UploadResult>
  /**
   * Stores the items, some at a time, and resolves to what became of each, in their order. Rejects for wrong
   * arguments only ({@link InputError}), not for an item's failure. An item's bytes are read when its turn
   * comes.
   */
  uploadFiles(items: readonly UploadItem[], options?: UploadFilesOptions | null): Promise<UploadOutcome[]>
  /**
   * What is known of an object. Rejects with {@link StorageError}, its code `NotFound` where there is no
   * such object.
   */
  head(options: ObjectCallOptions): Promise<ObjectInfo>
  /** Whether there is such an object; not, if there is no such bucket. Rejects where that cannot be known. */
  exists(options: ObjectCallOptions): Promise<boolean>
  /**
   * Opens an object for reading. Where the transfer of its bytes breaks or stalls, it goes on from there, and only
   * with the same version: else `body` errors with the code `ERR_SOURCE_CHANGED`. Rejects like `head`.
   */
  download(options: ReadOptions): Promise<StoredObject>
  /** Removes an object. One that is not there is removed already. */
  delete(options: ObjectCallOptions): Promise<DeleteResult>
  /**
   * The bucket's objects in the order of their keys, asked for page by page as they are used.
   *
   * @throws {InputError} for wrong options, at once.
   */
  list(options?: ListOptions | null): AsyncGenerator<ListedObject, void, undefined>
  /**
   * Removes uploads in parts that nobody will finish: of processes that were killed, and those that a `checkpoint`
   * kept. They are not to be seen and cost storage; R2 removes them by itself after seven days.
   */
  cleanup(options?: CleanupOptions | null): Promise<CleanupResult>
  /**
   * Brings back what other endpoints took while the primary was out: copies it to the primary, with its headers, and
   * removes it there. What the primary has got since stays as it is. Safe to run again, and from several places.
   *
   * Rejects with {@link StorageError} where an endpoint fails; what was copied before stays copied.
   */
  reconcile(options?: ReconcileOptions | null): Promise<ReconcileResult>
  /**
   * Opens or closes a circuit breaker by hand, as an outage or its end would: for tests, and for operators who know
   * more. Default: the primary's; else the `endpoint` of {@link EndpointMetrics}.
   */
  setBreaker(state: BreakerState, endpoint?: string): void
  /** Signs a URL for one object, for browsers and others without keys. Sends nothing; signs no checksum. */
  presign(options: PresignOptions): Promise<PresignedRequest>
  /**
   * The `url` that an upload of this key to the primary has in its result: under `domain` where one is set, else the
   * endpoint's. For objects that `list` found and browsers stored. Sends nothing; throws an {@link InputError}.
   */
  urlOf(options: ObjectAddress): string
  /**
   * What the calls of each kind came to, in the last minute, five minutes and hour, and in all; and how the endpoints
   * do. Input that was refused before anything was sent is no call.
   */
  metrics(): Metrics
  /**
   * The last 50 calls that failed, the newest first, without secrets; where one code floods, the others are kept longer.
   * An abort is none, nor is input that was refused before anything was sent, but for a missing variable; nor the answer
   * of `head` that there is no such object.
   */
  recentFailures(): RecentFailure[]
  /**
   * The same totals for Prometheus, in the OpenMetrics format; answer a scrape with the content type
   * `application/openmetrics-text; version=1.0.0; charset=utf-8`.
   */
  metricsText(): string
  /**
   * Calls `listener` at each event of that name, in the async context of the call. What it throws is reported by
   * `process.emitWarning` and changes nothing. The same listener is added once.
   *
   * @throws {InputError} for a name that there is not.
   */
  on<Name extends keyof StorageEvents>(name: Name, listener: (event: StorageEvents[Name]) => void): this
  /** Undoes {@link Storage.on}. */
  off<Name extends keyof StorageEvents>(name: Name, listener: (event: StorageEvents[Name]) => void): this
  /** Ends what is in flight and refuses later calls, with code `ERR_CLOSED`. Can be called twice. */
  close(): void
  [Symbol.dispose](): void
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Makes a storage.
 *
 * @throws {InputError} for a wrong value or an unknown option. Never for a missing one.
 */
export declare function newStorage(config?: StorageConfig | null): Storage

/** {@link Storage.uploadFile} of a storage that the first call makes from the environment. */
export declare function uploadFile(options: UploadOptions): Promise<UploadResult>

/** {@link Storage.uploadFiles} of a storage that the first call makes from the environment. */
export declare function uploadFiles(
  items: readonly UploadItem[],
  options?: UploadFilesOptions | null,
): Promise<UploadOutcome[]>

/** {@link Storage.downloadAndUpload} of a storage that the first call makes from the environment. */
export declare function downloadAndUpload(options: DownloadOptions): Promise<UploadResult>

/** What `retryWithBackoff` tells the function of its attempt. */
export interface Attempt {
  /** 1 for the first. */
  readonly attempt: number
  /** Fires when the attempt's time is up, and with the caller's signal. */
  readonly signal: AbortSignal
}

/** An attempt of `retryWithBackoff` that failed and will be followed by another. */
export interface AttemptFailure {
  readonly attempt: number
  readonly maxAttempts: number
  /** The wait before the next attempt, in milliseconds. */
  readonly delayMs: number
  readonly code: StorageErrorCode
  /** What the attempt threw. */
  readonly error: unknown
  /** Since the call began, in milliseconds. */
  readonly elapsedMs: number
}

/** Retry numbers, and what `retryWithBackoff` listens to. */
export interface RetryWithBackoffOptions extends RetryOptions {
  /** Ends the loop, waits included; it rejects with `signal.reason`. */
  signal?: AbortSignal | undefined
  /** Called before each wait. */
  onRetry?: ((failure: AttemptFailure) => void) | undefined
}

/**
 * Calls `fn` until it succeeds, with the waits, time limits and judgement that uploads have. Numbers default
 * to the preset `fileUpload`.
 *
 * Rejects with what the last attempt threw, untouched; with {@link TimeoutError} if that attempt took too
 * long; with `signal.reason` if `signal` ended the loop; with {@link InputError} for wrong options.
 */
export declare function retryWithBackoff<T>(
  fn: (attempt: Attempt) => T | PromiseLike<T>,
  presetOrOptions?: RetryPresetName | RetryWithBackoffOptions | null,
): Promise<T>

/**
 * Whether another try may help: a {@link StorageError} knows; of other errors the names, codes and statuses
 * in the chain of causes tell. `false` for what is unknown.
 */
export declare function isRetryableError(error: unknown): boolean

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
 * A call that failed. The message of a timeout contains "timeout", that of a network failure its code. No
 * error ever holds a secret, a signature or a URL's query.
 */
export declare class StorageError extends Error {
  protected constructor()
  /** Whether `value` is an error of this class, from whatever copy of the package. */
  static isInstance<E>(this: { readonly prototype: E }, value: unknown): value is E
  readonly code: StorageErrorCode
  readonly category: StorageErrorCategory
  /** Whether the same call may succeed later. */
  readonly retryable: boolean
  /** 0 if nothing was sent. */
  readonly attempts: number
  readonly elapsedMs: number
  readonly operation: string
  readonly key?: string
  /** The HTTP status. */
  readonly status?: number
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
 * The endpoint has not answered for a while, and nothing was sent. Only calls without a deadline fail so; others wait
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

/** The storage service answered with a failure. */
export declare class ServiceError extends StorageError {
  readonly category: 'service'
}

/** A failure inside this package. */
export declare class InternalError extends StorageError {
  readonly category: 'internal'
}
