import type { RetryOptions, RetryPresetName } from './retry.js'
import type { Storage, downloadAndUpload, uploadFile, uploadFiles } from './storage.js'

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
  /** The R2 account's id, 32 hexadecimal digits, instead of `endpoint`. */
  accountId?: string | undefined
  /**
   * The jurisdiction of the bucket. With `accountId`.
   *
   * @default none
   */
  jurisdiction?: 'eu' | 'fedramp' | 'us' | undefined
  /** @default `STORAGE_REGION`, else `auto` */
  region?: string | undefined
  /** @default STORAGE_ACCESS_KEY */
  accessKey?: string | undefined
  /** As S3 and R2 call `accessKey`; give one of them. */
  accessKeyId?: string | undefined
  /** @default STORAGE_SECRET_KEY */
  secretKey?: string | undefined
  /** As S3 and R2 call `secretKey`; give one of them. */
  secretAccessKey?: string | undefined
  /** For temporary credentials. */
  sessionToken?: string | undefined
  /** @default STORAGE_BUCKET */
  bucket?: string | undefined
  /**
   * The public domain of the bucket, from which results get their `url`.
   *
   * @default STORAGE_DOMAIN
   */
  domain?: string | undefined
  /**
   * Instead of `endpoint`: 1 to 8 endpoints, the primary first. An upload that the primary cannot take goes to the next
   * one, whole; the result's `endpoint` shows where it went, and `reconcile` brings it back. What an item lacks is
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
   * @default none, and `retry` is `fileUpload`
   */
  profile?: 'serverless' | 'worker' | 'cli' | undefined
  /**
   * How long the platform lets the function run, in milliseconds; at least 2000. With `serverless`.
   *
   * @default 60000
   */
  maxDurationMs?: number | undefined
  /**
   * Whether the endpoint may be `http` on other hosts than loopback.
   *
   * @default false
   */
  allowHttp?: boolean | undefined
  /** Certificates in PEM to trust besides the system's and those of `NODE_EXTRA_CA_CERTS`. */
  caCertificates?: readonly string[] | undefined
  /** @default fileUpload */
  retry?: RetryPresetName | RetryOptions | undefined
  /** @deprecated Use `retry`. */
  retryOptions?: RetryPresetName | RetryOptions | undefined
  /**
   * Whether it is proven that R2 has the bytes that were sent: by a CRC-64/NVME that R2 verifies, else by an ETag that is
   * their MD5. `false` relies on the signature.
   *
   * @default true
   */
  verifyIntegrity?: boolean | undefined
  /** @deprecated Use `verifyIntegrity`. */
  verifyEtag?: boolean | undefined
  /**
   * How long a connection may take to be made, in milliseconds.
   *
   * @default 10000
   */
  connectTimeoutMs?: number | undefined
  /**
   * How long a transfer may go without a byte, in milliseconds; then the attempt ends and another begins. How long
   * the storage thinks about what it has got is bounded by the attempt's `timeout`.
   *
   * @default 10000
   */
  stallTimeoutMs?: number | undefined
  /**
   * How long the program itself may keep a call waiting, in milliseconds: a stream given to `uploadFile` that gives no
   * byte, or the body of a `download` that nobody reads. Then the call or the body fails with `ETIMEDOUT`.
   *
   * @default 300000
   */
  idleTimeoutMs?: number | undefined
  /**
   * Whether `downloadAndUpload` may fetch from private, loopback and link-local addresses.
   *
   * @default false
   */
  allowPrivateNetworks?: boolean | undefined
  /** Hosts that `downloadAndUpload` may fetch from whatever their address is; `*.suffix` for all names below. */
  allowedHosts?: readonly string[] | undefined
  /**
   * The largest object that `downloadAndUpload` fetches, in bytes.
   *
   * @default 104857600 (100 MiB)
   */
  maxDownloadBytes?: number | undefined
  /** @deprecated Use `maxDownloadBytes`. */
  maxBytes?: number | undefined
  /**
   * Uploads that `uploadFiles` keeps in flight: 1 to 256.
   *
   * @default 4
   */
  uploadConcurrency?: number | undefined
  /** @deprecated Use `uploadConcurrency`. */
  concurrency?: number | undefined
  /**
   * Requests to an endpoint that are in flight at once, and so its connections: 1 to 10000. More wait for their turn,
   * which counts for `deadlineMs` and not for an attempt's `timeout`. A download counts until its body is read or
   * cancelled; while its reader pauses and others wait, it gives its connection up and continues later.
   *
   * @default 256
   */
  maxConnections?: number | undefined
  /**
   * Larger objects are sent in parts: 5242880 (5 MiB) to 5363466240.
   *
   * @default 16777216 (16 MiB)
   */
  multipartThresholdBytes?: number | undefined
  /**
   * Bytes in a part: 5242880 to 5363466240; more where 10,000 parts would not do.
   *
   * @default 8388608 (8 MiB)
   */
  partSizeBytes?: number | undefined
  /**
   * Parts of one object in flight: 1 to 16.
   *
   * @default 4
   */
  partConcurrency?: number | undefined
  /**
   * `false` silences.
   *
   * @default console
   */
  logger?: Logger | false | undefined
  /**
   * Default `info`; for the console in production (`NODE_ENV`) `error`, so that it shows failed uploads only. A logger
   * may be stricter by itself. With `debug`, lines have their details in production, too.
   */
  logLevel?: LogLevel | undefined
  /**
   * For the console: a line for people, or an object in JSON a line with `level`, `time` (ISO 8601), `msg` and the fields
   * that a structured logger gets.
   *
   * @default pretty
   */
  logFormat?: 'pretty' | 'json' | undefined
  /**
   * Whether spans and measurements go to OpenTelemetry, where `@opentelemetry/api` is installed and an SDK registered.
   *
   * @default true
   */
  openTelemetry?: boolean | undefined
}

/** An item of `endpoints`; also of another region, jurisdiction or provider. */
export type EndpointConfig = EndpointAddress & {
  region?: string | undefined
  accessKey?: string | undefined
  accessKeyId?: string | undefined
  secretKey?: string | undefined
  secretAccessKey?: string | undefined
  sessionToken?: string | undefined
  bucket?: string | undefined
  /** The public domain of this bucket. */
  domain?: string | undefined
}

/** A URL, or an R2 account. A missing value is reported by the first call. */
export type EndpointAddress =
  | {
      /** See {@link StorageConfig.endpoint}. */
      endpoint: string | undefined
      accountId?: undefined
      jurisdiction?: undefined
    }
  | {
      /** See {@link StorageConfig.accountId}. */
      accountId: string | undefined
      jurisdiction?: 'eu' | 'fedramp' | 'us' | undefined
      endpoint?: undefined
    }

// A declaration file without this exports all of its declarations.
export {}
