import type { UploadBody } from './body.js'
import type { StorageError, StorageErrorCode } from './errors.js'
import type { ObjectCallOptions, ObjectOptions } from './objects.js'
import type { downloadAndUpload, uploadFile, uploadFiles } from './storage.js'

/**
 * A `Map`, or what is like one: a key-value store. Keys hold the object's key, values are strings of less than 64 KiB,
 * which `get` must return as they were set. A method that throws, or that has not responded within 5 seconds, costs a
 * warning (`ReliableR2Warning`) and not the upload.
 */
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
   *
   * From the call on, the body belongs to it: whatever the call comes to, also if it is refused for another option, a Node
   * stream is destroyed, a web stream cancelled, an iterator returned. (The request of a Node server is read to its end
   * instead, so that it can get a response.) A stream's error is the `cause` of the call's.
   */
  body: UploadBody
  /** How many bytes there are, where you know: other than so many are an error, and nothing is stored. */
  contentLength?: number | undefined
  /**
   * Fewer bytes are an error (`ERR_TOO_SMALL`), and nothing is stored: 1 refuses an empty body.
   *
   * @default 0
   */
  minBytes?: number | undefined
  /**
   * More bytes are an error (`ERR_TOO_LARGE`), and nothing is stored.
   *
   * @default no limit
   */
  maxBytes?: number | undefined
}

/** Options of `downloadAndUpload`. */
export interface DownloadAndUploadOptions extends ObjectOptions {
  /**
   * `https` on port 443 of a public host, without a user name or password; `allowedHosts` opens `http`, other ports and
   * names.
   */
  url: string | URL
  /** Headers of the request to `url`. */
  sourceHeaders?: Readonly<Record<string, string>> | undefined
  /**
   * Fewer bytes are an error (`ERR_TOO_SMALL`), and nothing is stored.
   *
   * @default 1; an empty source is `ERR_SOURCE_EMPTY`
   */
  minBytes?: number | undefined
  /** @default the storage's */
  maxBytes?: number | undefined
  /** @default the storage's */
  allowPrivateNetworks?: boolean | undefined
  /** @default the storage's */
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
  /** How the stored bytes are compressed: by `compress`, or as they came with a `Content-Encoding`. */
  contentEncoding?: string
  elapsedMs: number
  /** The service's name for the request. */
  requestId?: string
  /** True where every response was lost, and a HEAD afterwards found these bytes and headers stored; else absent. */
  confirmedByHead?: true
}

/** An item of `uploadFiles`: with `url` it is fetched first, with `body` it is stored. */
export type UploadItem = (UploadOptions & { url?: undefined }) | (DownloadAndUploadOptions & { body?: undefined })

/**
 * What became of an item of `uploadFiles`. What an outcome serializes is what a browser may see:
 * `Response.json(await storage.uploadFiles(...))` shows no endpoint, no server path and no message of an error.
 */
export type UploadOutcome = UploadSuccess | UploadFailure

export interface UploadSuccess extends UploadResult {
  uploadError: false
  /** For JSON: without `endpoint`, `location`, `bucket`, `requestId` and the numbers of attempts. */
  toJSON(): PublicUploadResult
}

/** A stored object, as JSON has it of an outcome. */
export interface PublicUploadResult
  extends Pick<
    UploadResult,
    'key' | 'filename' | 'url' | 'size' | 'contentType' | 'contentEncoding' | 'etag' | 'sha256'
  > {
  uploadError: false
}

export interface UploadFailure {
  uploadError: true
  /** `ERR_ABORTED` or `ETIMEDOUT` where the item's signal ended it, `ERR_INTERNAL` for what is not a {@link StorageError}. */
  code: StorageErrorCode
  /** Safe to show. The same as `userMessage`. */
  errorMessage: string
  /** A sentence that is safe to show to the person in front of the page. */
  userMessage: string
  /**
   * A {@link StorageError}, or `signal.reason` where the item's signal ended it. Not enumerable: neither JSON nor a copy of
   * the outcome has it. Log it by itself.
   */
  readonly error: unknown
  key?: string | undefined
}

/** Options of `uploadFiles`. */
export interface UploadFilesOptions {
  /**
   * Uploads in flight at once: 1 to 256.
   *
   * @default the storage's
   */
  concurrency?: number | undefined
  /** Of every item that has none of its own. What it ends has an outcome as what fails. */
  signal?: AbortSignal | undefined
}

/** Options of `abortIncompleteUploads`. */
export interface AbortIncompleteUploadsOptions extends Omit<ObjectCallOptions, 'key'> {
  /**
   * Only uploads to keys that begin so.
   *
   * @default all
   */
  prefix?: string | undefined
  /**
   * Only uploads that were begun before.
   *
   * @default a day ago, by the storage's clock
   */
  olderThan?: Date | string | undefined
}

/** What `abortIncompleteUploads` did. */
export interface AbortIncompleteUploadsResult {
  removed: IncompleteUpload[]
  /** How many younger ones it left. */
  kept: number
}

/** An upload in parts that was neither completed nor aborted. */
export interface IncompleteUpload {
  key: string
  uploadId: string
  initiated?: Date
}

// A declaration file without this exports all of its declarations.
export {}
