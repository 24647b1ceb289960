'use strict'

const { AsyncResource } = require('node:async_hooks')
const { setImmediate: nextTurn } = require('node:timers/promises')
const native = require('./native/index.js')
const { endQuietly, onAbort, reasonOf, throwIfAborted } = require('./abort.js')
const { PendingUploads } = require('./native/pending-uploads.js')
const { readBlob } = require('./input/blob.js')
const { requireLength, tooLarge } = require('./input/body.js')
const { readEnvironment } = require('./input/environment.js')
const { StorageError, fromFailure, isFailure } = require('./errors.js')
const { closedError, inputError } = require('./local-errors.js')
const { FailureLog } = require('./observability/recent-failures.js')
const { InFlight } = require('./native/id-map.js')
const { givenBody, release, releaseBodyOf, watch } = require('./input/lifetime.js')
const { openBody, pushDuring } = require('./input/body-stream.js')
const { isUpload } = require('./observability/log.js')
const { Observer } = require('./observability/call-observer.js')
const { own, property } = require('./own-properties.js')
const { describe, named } = require('./call.js')
const {
  readAddress,
  readBatch,
  readBreaker,
  readAbortUploads,
  readDownload,
  readList,
  readObjectCall,
  readPresign,
  readReconcile,
  readStorageConfig,
  readUpload,
} = require('./input/options.js')
const { failedOutcome, storedOutcome } = require('./outcome.js')
const { makeObservability } = require('./observability/index.js')
const { fromInfo, fromListed, fromIncompleteUpload, fromPresigned } = require('./native/results.js')

class Storage {
  #options
  #observability
  #native
  #closed = false
  #failures = new FailureLog()
  /** The observers of calls, by the id that comes back in their events. */
  #calls = new InFlight()
  #lastId = 0
  /** Events that came. */
  #received = 0
  #pending = new PendingUploads()

  constructor(config) {
    const { options, observability } = readStorageConfig(config)
    this.#options = options
    this.#observability = makeObservability(observability)
  }

  uploadFile(options) {
    return Storage.#uploadFile(this, options)
  }

  /** `signal`: where the options have none. */
  static async #uploadFile(self, options, signal) {
    const call = describe('uploadFile', options)
    try {
      Storage.#require(self, 'uploadFile')
      return await self.#uploadBody(call, options, signal)
    } catch (error) {
      releaseBodyOf(call, options)
      throw error
    }
  }

  async #uploadBody(call, options, signal) {
    const { body, contentLength, maxBytes, object, observers } = readUpload(options, call)
    observers.signal ??= signal
    throwIfAborted(observers.signal)
    const opened = own(openBody(body, call))
    const { path, source } = opened
    if (path !== undefined) {
      return await this.#store(call, observers, object, (storage, ...given) =>
        storage.uploadPath(...given, { path, length: contentLength, maxBytes }),
      )
    }
    if (source) {
      const given = { ...source, length: contentLength ?? source.length, maxBytes }
      return await this.#uploadSource(call, observers, object, given)
    }
    // Nothing is awaited before the addon has its copy, except for a Blob, which nobody can change.
    let { bytes } = opened
    if (opened.blob) {
      const read = await readBlob(opened.blob, { maxBytes, signal: observers.signal }, call)
      bytes = read.bytes
      if (read.type) object.declaredType = read.type
    }
    if (bytes.byteLength > maxBytes) throw tooLarge(maxBytes, call)
    requireLength(bytes, contentLength, call)
    // A checkpoint is read first, and meanwhile the caller may do what they like with their buffer.
    if (observers.checkpoint) bytes = Uint8Array.from(bytes)
    return await this.#store(call, observers, object, (storage, ...given) => storage.upload(...given, bytes))
  }

  /** Runs an upload, which may continue where an earlier process left off. */
  #store(call, { checkpoint, ...observers }, object, begin) {
    if (checkpoint) return this.#storeResumably(call, checkpoint, observers, object, begin)
    return this.#upload(call, observers, object, begin)
  }

  async #storeResumably(call, place, observers, object, begin) {
    // Loaded when it is needed, as other things that most processes never do: every import would wait for them.
    const { withCheckpoint } = require('./input/checkpoint-store.js')
    return await withCheckpoint(place, { ...call, bucket: object.bucket }, observers.signal, (resume, save) => {
      const resumable = { ...object, checkpoint: true, ...(resume && { resume }) }
      return this.#upload(call, { ...observers, onCheckpoint: save }, resumable, begin)
    })
  }

  #upload(call, observers, object, begin) {
    const { key, contentType, ...others } = own(object)
    if (property(observers, 'onProgress')) others.progress = true
    const options = Object.keys(others).length > 0 ? others : undefined
    return this.#run(call, observers, (storage, operation, id) =>
      this.#pending.of(id, () => begin(storage, operation ?? id, key, contentType, options)),
    )
  }

  async #uploadSource(call, observers, object, given) {
    const source = own(given)
    const sink = native.createSource(source.length, source.maxBytes)
    if (isFailure(sink)) {
      source.cancel()
      throw fromFailure({ ...sink, ...call, message: `${call.operation} failed: ${sink.message}` })
    }
    if (source.contentType) object.declaredType = source.contentType
    if (source.contentEncoding) object.declaredEncoding = source.contentEncoding
    const start = () =>
      this.#store(call, observers, object, (storage, ...given) => storage.uploadSource(...given, sink))
    return await pushDuring(start, source, sink, call, observers.signal)
  }

  downloadAndUpload(options) {
    return Storage.#downloadAndUpload(this, options)
  }

  static async #downloadAndUpload(self, options, signal) {
    const call = describe('downloadAndUpload', options)
    try {
      Storage.#require(self, 'downloadAndUpload')
      const { source, object, observers } = readDownload(options, call)
      observers.signal ??= signal
      return await self.#store(call, observers, object, (storage, ...given) =>
        storage.downloadAndUpload(...given, source),
      )
    } catch (error) {
      // It takes none; one that was given with the URL is refused like any other.
      releaseBodyOf(call, options)
      throw error
    }
  }

  async uploadFiles(items, options) {
    const given = Array.isArray(items) ? items : [items]
    const bodies = given.map(givenBody)
    try {
      Storage.#require(this, 'uploadFiles')
      return await this.#uploadAll(items, bodies, options)
    } catch (error) {
      bodies.forEach(release)
      throw error
    }
  }

  async #uploadAll(items, bodies, options) {
    const call = { operation: 'uploadFiles' }
    if (!Array.isArray(items)) throw inputError('ERR_INVALID_OPTION', 'items', 'items must be an array', call)
    const { concurrency = this.#concurrency(), signal } = readBatch(options, call)
    // Those that wait may fail meanwhile.
    bodies.forEach(watch)
    const outcomes = new Array(items.length)
    const queue = items.keys()
    const worker = async () => {
      for (const index of queue) outcomes[index] = await this.#outcomeOf(items[index], signal)
    }
    await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker))
    return outcomes
  }

  async head(options) {
    Storage.#require(this, 'head')
    const call = describe('head', options)
    const { object, observers } = readObjectCall(options, call)
    const info = await this.#run(call, observers, (storage, operation) => storage.head(operation, object))
    return fromInfo(object.key, info)
  }

  async exists(options) {
    Storage.#require(this, 'exists')
    try {
      await this.head(options)
      return true
    } catch (error) {
      if (error instanceof StorageError && error.code === 'NotFound') return false
      throw error
    }
  }

  async download(options) {
    Storage.#require(this, 'download')
    const call = describe('download', options)
    const { object, decompress, observers } = readObjectCall(options, call)
    // Its bytes are read after this call; their retries and their end belong to it all the same.
    const running = this.#begin(call, observers)
    const download = await this.#settle(running, (storage, operation) => storage.download(operation, object))
    const info = fromInfo(object.key, download.takeInfo())
    const succeeded = () =>
      this.#succeeded(running, { bucket: info.bucket, size: info.size, attempts: download.attempts })
    const failed = (error) => this.#failed(running, error)
    const { bodyOf } = require('./download-stream.js')
    const onEnd = { succeeded: AsyncResource.bind(succeeded), failed: AsyncResource.bind(failed) }
    const body = bodyOf(download, running.operation, observers.signal, onEnd)
    const { codingOf, decompressed } = require('./decompress.js')
    // A part of what was compressed cannot be decompressed.
    const coding = decompress && object.range === undefined ? codingOf(own(info).contentEncoding) : undefined
    if (coding === undefined) return { ...info, body }
    const { contentEncoding, ...plain } = info
    return { ...plain, body: decompressed(body, coding, call) }
  }

  async delete(options) {
    Storage.#require(this, 'delete')
    const call = describe('delete', options)
    const { object, observers } = readObjectCall(options, call)
    const { bucket, attempts, elapsedMs } = await this.#run(call, observers, (storage, operation) =>
      storage.delete(operation, object),
    )
    return { bucket, key: object.key, attempts, elapsedMs }
  }

  list(options) {
    Storage.#require(this, 'list')
    const call = describe('list', options)
    const { page, observers } = readList(options, call)
    return this.#pages(page, observers, call)
  }

  /** Page after page, each asked for when the one before is used up. */
  async *#pages(page, observers, call) {
    // Ends a list whose pages bring nothing new.
    let pages
    let continuation
    do {
      const next = await this.#run(call, observers, (storage, operation) =>
        storage.list(
          operation,
          { ...page, ...(continuation && { continuation }) },
          (pages ??= new native.NativePages()),
        ),
      )
      yield* next.objects.map(fromListed)
      continuation = next.continuation
    } while (continuation)
  }

  async abortIncompleteUploads(options) {
    Storage.#require(this, 'abortIncompleteUploads')
    const call = describe('abortIncompleteUploads', options)
    const { request, observers } = readAbortUploads(options, call)
    const start = (storage, operation) => storage.abortIncompleteUploads(operation, request)
    const { removed, kept } = await this.#run(call, observers, start)
    return { removed: removed.map(fromIncompleteUpload), kept }
  }

  /** @deprecated */
  cleanup(options) {
    return this.abortIncompleteUploads(options)
  }

  async reconcile(options) {
    Storage.#require(this, 'reconcile')
    const call = describe('reconcile', options)
    const { reconcile, observers } = readReconcile(options, call)
    const start = (storage, operation) => storage.reconcile(operation, reconcile)
    const { copied, superseded, failed } = await this.#run(call, observers, start)
    return { copied, superseded, failed: failed.map((failure) => ({ key: failure.key, error: fromFailure(failure) })) }
  }

  setBreaker(state, endpoint) {
    Storage.#require(this, 'setBreaker')
    const call = { operation: 'setBreaker' }
    const failure = this.#open(call).setBreaker(...readBreaker(state, endpoint, call))
    if (failure) throw fromFailure({ ...failure, ...call })
  }

  async presign(options) {
    Storage.#require(this, 'presign')
    const call = describe('presign', options)
    const request = readPresign(options, call)
    // Signed here: nothing is sent, so there is nothing to report.
    const storage = this.#open(call)
    try {
      const presigned = await storage.presign(request)
      if (isFailure(presigned)) throw fromFailure(presigned)
      return fromPresigned(request.method ?? 'GET', presigned)
    } catch (error) {
      throw named(error, call)
    }
  }

  publicUrl(options) {
    Storage.#require(this, 'publicUrl')
    const call = describe('publicUrl', options)
    const { key, bucket } = readAddress(options, call)
    const url = this.#open(call).publicUrl(key, bucket)
    if (isFailure(url)) throw fromFailure({ ...url, ...call, message: `publicUrl failed: ${url.message}` })
    return url
  }

  /** @deprecated */
  urlOf(options) {
    return this.publicUrl(options)
  }

  metrics() {
    Storage.#require(this, 'metrics')
    const { fromMetrics } = require('./native/metrics.js')
    const storage = this.#native
    return storage ? fromMetrics(storage.ageMs, storage.metrics(), storage.endpoints()) : fromMetrics(0, [], [])
  }

  recentFailures() {
    Storage.#require(this, 'recentFailures')
    return this.#failures.list()
  }

  metricsText() {
    Storage.#require(this, 'metricsText')
    return this.#native?.metricsText() ?? '# EOF\n'
  }

  on(name, listener, options) {
    Storage.#require(this, 'on')
    this.#observability.events.on(name, listener, options)
    return this
  }

  off(name, listener) {
    Storage.#require(this, 'off')
    this.#observability.events.off(name, listener)
    return this
  }

  close() {
    Storage.#require(this, 'close')
    this.#closed = true
    this.#native?.close()
  }

  /** Runs one native call under the caller's signal and observers. No await before `start`. */
  #run(call, observers, start) {
    return this.#settle(this.#begin(call, observers), start, (running, result) => this.#succeeded(running, result))
  }

  #begin(call, given) {
    const observers = own(given)
    const { signal } = observers
    throwIfAborted(signal)
    const storage = this.#openFor(call)
    const id = this.#nextId()
    // It costs as much as all else here, and an upload that nobody can abort does without.
    const operation = signal || !isUpload(call.operation) ? new native.NativeOperation(id) : undefined
    const observer = new Observer(observers, call, this.#observability)
    this.#calls.add(id, observer)
    return { call, signal, storage, id, operation, observer }
  }

  async #settle(running, start, onResult) {
    const { signal, storage, id, operation, observer } = running
    const forget = signal && onAbort(signal, () => endQuietly(operation))
    try {
      const result = await start(storage, operation, id)
      if (observer.retries < result.attempts - 1 || observer.keepsCheckpoint) await this.#receiveSoFar(storage)
      if (isFailure(result)) throw fromFailure(result)
      onResult?.(running, result)
      return result
    } catch (error) {
      // Once the signal has fired, whatever is thrown is a consequence.
      const reported = signal?.aborted ? reasonOf(signal) : named(error, running.call)
      this.#failed(running, reported)
      throw reported
    } finally {
      forget?.()
    }
  }

  #succeeded({ id, observer }, receipt) {
    if (this.#calls.delete(id)) observer.succeeded(receipt)
  }

  #failed({ id, call, observer }, error) {
    if (!this.#calls.delete(id)) return
    this.#failures.record(error, call)
    observer.failed(error)
  }

  /** That there is no storage to call, for lack of a variable, is a failure as well. */
  #openFor(call) {
    try {
      return this.#open(call)
    } catch (error) {
      this.#failures.record(error, call)
      throw error
    }
  }

  async #outcomeOf(item, signal) {
    try {
      const fromUrl = (property(item, 'url') ?? undefined) !== undefined
      const result = await (fromUrl
        ? Storage.#downloadAndUpload(this, item, signal)
        : Storage.#uploadFile(this, item, signal))
      return storedOutcome(result)
    } catch (error) {
      const { key } = describe('uploadFiles', item)
      return failedOutcome(error, key)
    }
  }

  /** The native storage, made at the first call: `next build` imports routes without their environment. */
  #open({ operation, key }) {
    if (this.#closed) throw closedError(operation, key)
    if (!this.#native) {
      // The addon keeps these functions for as long as it lives, and they must not keep what it belongs to for that:
      // a storage that is left alone would never be collected. One that works is held by the responses it waits for.
      const self = new WeakRef(this)
      const receive = (event) => self.deref()?.#receive(own(event))
      const pending = this.#pending
      const made = native.createStorage(this.#options, readEnvironment(), receive, (text) => pending.settle(text))
      if (isFailure(made)) throw fromFailure(made)
      this.#native = made
      pending.comeFrom(made)
      this.#observability.telemetry.at(made.endpoints()[0])
    }
    return this.#native
  }

  #concurrency() {
    try {
      return this.#open({ operation: 'uploadFiles' }).uploadConcurrency
    } catch {
      // Each item says so for itself: a caller with partial results has a place for that.
      return 1
    }
  }

  /** Events come by another queue than responses, up to a thousand in each turn of the event loop. */
  async #receiveSoFar(storage) {
    const sent = storage.eventsSent
    do await nextTurn()
    while (this.#received < sent && !this.#closed)
  }

  /** What the addon reports: of a call, or of an endpoint. */
  #receive(event) {
    this.#received += 1
    if (event.kind === 'breaker') this.#observability.breaker(event)
    else this.#calls.get(event.id)?.handle(event)
  }

  /** Never 0, which is of no call. */
  #nextId() {
    do this.#lastId = (this.#lastId + 1) >>> 0
    while (this.#lastId === 0 || this.#calls.has(this.#lastId))
    return this.#lastId
  }

  static #require(value, method) {
    if (typeof value === 'object' && value !== null && #calls in value) return
    throw new TypeError(`${method} was called without its storage; call it as storage.${method}(...)`)
  }
}

if (Symbol.dispose) {
  Storage.prototype[Symbol.dispose] = function dispose() {
    this.close()
  }
}
if (Symbol.asyncDispose) {
  Storage.prototype[Symbol.asyncDispose] = async function asyncDispose() {
    this.close()
  }
}

function newStorage(config) {
  return new Storage(config)
}

module.exports = { Storage, newStorage }
