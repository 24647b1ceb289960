/// <reference lib="esnext.disposable" />

/** How to start a {@link LocalR2}. */
export interface LocalR2Options {
  /** @default pictures */
  bucket?: string | undefined
  /**
   * More buckets.
   *
   * @default none
   */
  buckets?: readonly string[] | undefined
  /** @default local */
  accessKey?: string | undefined
  /** @default local-secret */
  secretKey?: string | undefined
  /**
   * The address to listen at.
   *
   * @default 127.0.0.1
   */
  host?: string | undefined
  /** @default 0: any that is free */
  port?: number | undefined
  /**
   * Which conditions of writes and removals the server checks. `r2` (default): `If-Match`, `If-None-Match` and
   * `If-Unmodified-Since` of PutObject and CompleteMultipartUpload, `x-amz-if-match-last-modified-time` of DeleteObject.
   * `s3`: `If-Match` and `If-None-Match`, of DeleteObject `If-Match`. `put`: the same without DeleteObject. `none`: it
   * ignores them all.
   */
  conditions?: 'r2' | 's3' | 'put' | 'none' | undefined
}

/** What happens to a request. */
export type Fault =
  /** Every connection is reset as soon as it is made. `down` is the same, under the name of an outage. */
  | { fault: 'refuse' | 'down' }
  /** The connection is reset (`fin`: closed) after this much of the body; half of it, if absent. */
  | { fault: 'reset' | 'fin'; afterBytes?: number | undefined }
  /** The request is read and gets no response; or its connection is reset after so long. */
  | { fault: 'hang'; forMs?: number | undefined }
  /** The request is read and gets an S3 error. */
  | {
      fault: 'status'
      status: number
      code: string
      message?: string | undefined
      retryAfter?: string | undefined
      date?: string | undefined
      headers?: Readonly<Record<string, string>> | undefined
    }
  /** A response before the body was read, then the end. */
  | { fault: 'earlyStatus'; status: number; code: string; message?: string | undefined }
  /** The body is read at this rate, then the request is served. */
  | { fault: 'slow'; bytesPerSecond: number }
  /** The request is served; its response comes late. */
  | { fault: 'delay'; ms: number }
  /** One byte of the body is another when it comes. The request is served with it, or refused where it has a checksum. */
  | { fault: 'corrupt' }
  /** The request is served, and the connection is reset instead of the response. */
  | { fault: 'dropResponse' }
  /** The request is read and gets what is no HTTP. */
  | { fault: 'garbage' }
  /** The request is served; half of its response's head, then the end. */
  | { fault: 'partialHead' }
  /** The request is served; the response's ETag is another. */
  | { fault: 'badEtag' }
  /** The request is served; half of its response's body, then the end (`stallResponse`: then nothing). */
  | { fault: 'truncate' | 'stallResponse' }
  /** This much of the body is read (half of it, if absent), then nothing, until the client gives up. */
  | { fault: 'stopReading'; afterBytes?: number | undefined }
  /**
   * The request is read and gets exactly these bytes, each the code of a character, as fast as they go or at a
   * rate. Then the connection is closed, reset, or left open.
   *
   * @default close
   */
  | {
      fault: 'raw'
      text: string
      bytesPerSecond?: number | undefined
      then?: 'close' | 'reset' | 'keepAlive' | undefined
    }
  /**
   * One of a mix of the others, as on a bad day: resets, errors of the service, lost responses, hangs and such, by fixed
   * weights. With `chance`.
   */
  | { fault: 'mix' }

/** A fault, and the requests that meet it. The first rule of the list that matches and has `times` left acts. */
export type FaultRule = Fault & {
  /**
   * How many meet it.
   *
   * @default all
   */
  times?: number | undefined
  /**
   * How many matching ones pass first.
   *
   * @default 0
   */
  skip?: number | undefined
  /**
   * Only these: `PUT`.
   *
   * @default all
   */
  method?: string | undefined
  /**
   * Only those whose key contains this.
   *
   * @default all
   */
  keyContains?: string | undefined
  /**
   * How likely a matching request meets it, from 0 to 1.
   *
   * @default 1
   */
  chance?: number | undefined
  /**
   * What chance is drawn from. The same seed gives the same faults to the same keys, in whatever order requests for
   * different keys come.
   *
   * @default 0
   */
  seed?: number | undefined
}

/** A request, or a connection that met its fault before any request. */
export interface LocalR2Event {
  /** From 1, in the order in which they came. */
  readonly seq: number
  /** Since the start, in milliseconds. */
  readonly atMs: number
  /** Which connection, from 1. */
  readonly connection: number
  /** Which request of the connection, from 1; null for a fault at the connection itself. */
  readonly request: number | null
  readonly method: string | null
  /** Without the query, which may hold a signature. */
  readonly path: string | null
  readonly key: string | null
  /** `forward`, or the fault's name; one of `mix` has its own. */
  readonly action: 'forward' | Fault['fault']
  /** Of the response; null where none was sent (yet). */
  readonly status: number | null
  /** Of the request's body, as far as it was read. */
  readonly bodyBytes: number
}

/** What is stored under a key. */
export interface LocalR2Object {
  readonly key: string
  /** The bytes; a `Buffer`. */
  readonly body: Uint8Array
  readonly size: number
  /** Without quotes: the MD5 of the bytes, or that of the parts' MD5s and the number of parts. */
  readonly etag: string
  readonly contentType: string
  /** `cache-control` and such, by their names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** By their names in lower case, without `x-amz-meta-`. */
  readonly metadata: Readonly<Record<string, string>>
  readonly lastModified: Date
}

/** An upload in parts that was neither completed nor aborted. */
export interface LocalR2Upload {
  readonly uploadId: string
  readonly key: string
  readonly initiated: Date
  /** How many there are so far. */
  readonly parts: number
}

/**
 * A local R2: an S3 server in memory that checks signatures, speaks plain HTTP, and has R2's rules for keys, conditions,
 * metadata and parts. It keeps the process alive until it is stopped.
 */
export interface LocalR2 {
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  /** For `newStorage`, and to be spread into more. */
  readonly config: { endpoint: string; region: string; accessKey: string; secretKey: string; bucket: string }
  /** The same as the environment of a program. */
  readonly env: {
    STORAGE_ENDPOINT: string
    STORAGE_REGION: string
    STORAGE_ACCESS_KEY: string
    STORAGE_SECRET_KEY: string
    STORAGE_BUCKET: string
  }
  /**
   * Replaces all rules; `[]` is none.
   *
   * @throws {TypeError} for a rule that is none. The rules before stay in force then.
   */
  faults(rules: readonly FaultRule[]): void
  /** What happened, in order. A request is there from its first byte on. */
  events(): LocalR2Event[]
  /**
   * What is stored, by key.
   *
   * @default in the option's `bucket`
   */
  objects(bucket?: string): Map<string, LocalR2Object>
  /**
   * Uploads in parts that are still open.
   *
   * @default of the option's `bucket`
   */
  uploads(bucket?: string): LocalR2Upload[]
  /** Forgets objects, uploads, rules and events: for the next test. */
  reset(): void
  /** Ends all connections and frees the port. Can be called twice. */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Starts a local R2. Rejects where the port is taken.
 *
 * @throws {TypeError} for a wrong option, as a rejection.
 */
export declare function startLocalR2(options?: LocalR2Options): Promise<LocalR2>
