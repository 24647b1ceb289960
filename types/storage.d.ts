/// <reference lib="esnext.disposable" />

import type { StorageConfig } from './config.js'
import type { InputError, StorageError } from './errors.js'
import type { FailureEvent, ListenerOptions, StorageEvents } from './events.js'
import type { BreakerState, EndpointMetrics, Metrics, RecentFailure } from './metrics.js'
import type {
  DeleteResult,
  DownloadOptions,
  ListedObject,
  ListOptions,
  ObjectCallOptions,
  ObjectInfo,
  PresignedRequest,
  PresignOptions,
  PublicUrlOptions,
  ReconcileOptions,
  ReconcileResult,
  StoredObject,
} from './objects.js'
import type {
  AbortIncompleteUploadsOptions,
  AbortIncompleteUploadsResult,
  DownloadAndUploadOptions,
  UploadFilesOptions,
  UploadItem,
  UploadOptions,
  UploadOutcome,
  UploadResult,
} from './upload.js'

/**
 * A client for one bucket. It keeps connections open between calls: create one for each configuration and reuse it.
 *
 * Every method rejects with a {@link StorageError}, or with `signal.reason` if the caller's `signal` ended the call.
 */
export declare class Storage {
  /**
   * @throws {InputError} if an option is unknown or has a wrong value. A missing option is reported by the first call, so
   * that `next build` can import a route without its environment.
   *
   * @example
   * const storage = new Storage({ bucket: 'pictures', retry: 'persistent' })
   */
  constructor(config?: StorageConfig | null)

  /**
   * Uploads `body` to `key`, and retries transient failures.
   *
   * @example
   * const { url } = await storage.uploadFile({ body: png, key: 'drawings/cat.png' })
   */
  uploadFile(options: UploadOptions): Promise<UploadResult>

  /**
   * Downloads `url` and uploads it to `key` at the same time, with bounded memory. A broken download is resumed; if it
   * cannot be completed from one version of the source, nothing is stored. Private addresses are refused, also after
   * redirects; see `allowPrivateNetworks` and `allowedHosts`.
   *
   * @example
   * const { url } = await storage.downloadAndUpload({ url: provider.imageUrl, key: 'drawings/cat.png' })
   */
  downloadAndUpload(options: DownloadAndUploadOptions): Promise<UploadResult>

  /**
   * Uploads several items, a few at a time, and resolves to the outcome of each, in their order. An item's failure does
   * not reject; wrong arguments do ({@link InputError}). An item's body is read when its upload begins.
   *
   * @example
   * const outcomes = await storage.uploadFiles(files.map((file) => ({ body: file, key: `inputs/${file.name}` })))
   * const failed = outcomes.filter((outcome) => outcome.uploadError)
   */
  uploadFiles(items: readonly UploadItem[], options?: UploadFilesOptions | null): Promise<UploadOutcome[]>

  /**
   * Reads an object's headers and metadata. Rejects with the code `NotFound` if the object does not exist.
   *
   * @example
   * const { size, contentType } = await storage.head({ key: 'drawings/cat.png' })
   */
  head(options: ObjectCallOptions): Promise<ObjectInfo>

  /**
   * Whether the object exists. Also `false` if the bucket does not exist: a response to HEAD cannot distinguish them.
   *
   * @example
   * if (await storage.exists({ key: 'drawings/cat.png' })) return
   */
  exists(options: ObjectCallOptions): Promise<boolean>

  /**
   * Opens an object for reading. A broken or stalled transfer is resumed where it stopped, from the same version of the
   * object; if that version is gone, `body` errors with the code `ERR_SOURCE_CHANGED`.
   *
   * @example
   * const { body, contentType } = await storage.download({ key: 'drawings/cat.png' })
   * return new Response(body, { headers: { 'content-type': contentType ?? 'application/octet-stream' } })
   */
  download(options: DownloadOptions): Promise<StoredObject>

  /**
   * Deletes an object at every endpoint. Succeeds if it does not exist. Rejects if an endpoint does not respond, since a
   * copy that is left there would come back.
   *
   * @example
   * await storage.delete({ key: 'drawings/cat.png' })
   */
  delete(options: ObjectCallOptions): Promise<DeleteResult>

  /**
   * Iterates over the bucket's objects in the order of their keys. Pages are requested as they are needed.
   *
   * @throws {InputError} at once if an option is wrong.
   *
   * @example
   * for await (const { key, size } of storage.list({ prefix: 'drawings/' })) console.log(key, size)
   */
  list(options?: ListOptions | null): AsyncGenerator<ListedObject, void, undefined>

  /**
   * Aborts multipart uploads that were never completed: of processes that were killed, and those that a `checkpoint` kept.
   * Their parts are invisible and cost storage; R2 removes them after seven days.
   *
   * @example
   * await storage.abortIncompleteUploads({ olderThan: new Date(Date.now() - 86_400_000) })
   */
  abortIncompleteUploads(options?: AbortIncompleteUploadsOptions | null): Promise<AbortIncompleteUploadsResult>
  /** @deprecated Use {@link Storage.abortIncompleteUploads}. */
  cleanup(options?: AbortIncompleteUploadsOptions | null): Promise<AbortIncompleteUploadsResult>

  /**
   * Copies objects that failover endpoints took back to the primary, with their headers, and deletes the copies there. A
   * copy is deleted only if the primary holds the same write or a write that is known to be newer. Covers the storage's own
   * bucket. It is safe to run again, and at several places at once.
   *
   * Rejects if an endpoint fails; what was copied before stays copied.
   *
   * @example
   * const { copied, failed } = await storage.reconcile()
   */
  reconcile(options?: ReconcileOptions | null): Promise<ReconcileResult>

  /**
   * Opens or closes a circuit breaker, for tests and for operators. `endpoint` is that of an {@link EndpointMetrics}.
   *
   * @default the primary's breaker
   *
   * @example
   * storage.setBreaker('open')
   */
  setBreaker(state: BreakerState, endpoint?: string): void

  /**
   * Signs a URL with which a browser, or anybody without keys, reads or writes one object. Sends nothing.
   *
   * @example
   * const { url, headers } = await storage.presign({ key: 'inputs/photo.jpg', method: 'PUT', contentType: 'image/jpeg' })
   */
  presign(options: PresignOptions): Promise<PresignedRequest>

  /**
   * The `url` that an upload of this key would return: under `domain` if one is set, else at the endpoint. Sends nothing.
   *
   * @throws {InputError} if an option is wrong.
   *
   * @example
   * const url = storage.publicUrl({ key: 'drawings/cat.png' })
   */
  publicUrl(options: PublicUrlOptions): string
  /** @deprecated Use {@link Storage.publicUrl}. */
  urlOf(options: PublicUrlOptions): string

  /**
   * Statistics of each operation for the last minute, five minutes, hour and in total, and the state of each endpoint. Input
   * that is refused before anything is sent is not counted.
   *
   * @example
   * const { successRate } = storage.metrics().operations.uploadFile.lastFiveMinutes
   */
  metrics(): Metrics

  /**
   * The last 50 failed calls, newest first, without secrets. If one code floods the list, entries of other codes are kept
   * longer. Rejected and aborted calls are not listed; see `outcome` of {@link FailureEvent}.
   *
   * @example
   * for (const { code, key, advice } of storage.recentFailures()) console.log(code, key, advice.means)
   */
  recentFailures(): RecentFailure[]

  /**
   * The metrics in the OpenMetrics text format, for Prometheus. Serve it as
   * `application/openmetrics-text; version=1.0.0; charset=utf-8`.
   *
   * @example
   * return new Response(storage.metricsText(), { headers: { 'content-type': 'application/openmetrics-text; version=1.0.0; charset=utf-8' } })
   */
  metricsText(): string

  /**
   * Adds a listener, which runs in the async context of the call. An exception in it is reported by `process.emitWarning`
   * and changes nothing. Adding the same listener again has no effect.
   *
   * @throws {InputError} if there is no event of that name.
   *
   * @example
   * storage.on('retry', ({ key, code, delayMs }) => console.warn(`retrying ${key} in ${delayMs} ms after ${code}`))
   */
  on<Name extends keyof StorageEvents>(
    name: Name,
    listener: (event: StorageEvents[Name]) => void,
    options?: ListenerOptions | null,
  ): this

  /**
   * Removes a listener.
   *
   * @example
   * storage.off('retry', listener)
   */
  off<Name extends keyof StorageEvents>(name: Name, listener: (event: StorageEvents[Name]) => void): this

  /**
   * Ends calls in flight and closes connections. Later calls reject with the code `ERR_CLOSED`. May be called twice.
   *
   * @example
   * storage.close()
   */
  close(): void
  [Symbol.dispose](): void
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Creates a {@link Storage}; the same as `new Storage(config)`.
 *
 * @throws {InputError} if an option is unknown or has a wrong value.
 *
 * @example
 * const storage = newStorage()
 */
export declare function newStorage(config?: StorageConfig | null): Storage

/**
 * {@link Storage.uploadFile} of a storage that the first call creates from the environment.
 *
 * @example
 * const { url } = await uploadFile({ body: png, key: 'drawings/cat.png' })
 */
export declare function uploadFile(options: UploadOptions): Promise<UploadResult>

/**
 * {@link Storage.uploadFiles} of a storage that the first call creates from the environment.
 *
 * @example
 * const outcomes = await uploadFiles([{ body: png, key: 'drawings/cat.png' }])
 */
export declare function uploadFiles(
  items: readonly UploadItem[],
  options?: UploadFilesOptions | null,
): Promise<UploadOutcome[]>

/**
 * {@link Storage.downloadAndUpload} of a storage that the first call creates from the environment.
 *
 * @example
 * const { url } = await downloadAndUpload({ url: provider.imageUrl, key: 'drawings/cat.png' })
 */
export declare function downloadAndUpload(options: DownloadAndUploadOptions): Promise<UploadResult>

// A declaration file without this exports all of its declarations.
export {}
