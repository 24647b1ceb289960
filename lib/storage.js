'use strict'

const { AsyncResource } = require('node:async_hooks')
const { setImmediate: nextTurn } = require('node:timers/promises')
const native = require('./load.js')
const { endQuietly, onAbort, reasonOf, throwIfAborted } = require('./abort.js')
const { Answers } = require('./answers.js')
const { blobBytes, bytesOf, invalid, isBlob, tooLarge } = require('./body.js')
const { readEnvironment } = require('./environment.js')
const { StorageError, closedError, fromFailure, inputError, internalError, userMessageOf } = require('./errors.js')
const { FailureLog } = require('./failures.js')
const { InFlight } = require('./in-flight.js')
const { pathOf, pump, sourceOf } = require('./source.js')
const { isUpload } = require('./log.js')
const { Observer } = require('./observe.js')
const {
  readAddress,
  readBatch,
  readBreaker,
  readCleanup,
  readDownload,
  readList,
  readObjectCall,
  readPresign,
  readReconcile,
  readStorageConfig,
  readUpload,
} = require('./options.js')
const { makeSignals } = require('./signals.js')
const { fromInfo, fromListed, fromOpenUpload, fromPresigned } = require('./objects.js')

class Storage {
  #options
  #signals
  #native
  #closed = false
  #failures = new FailureLog()
  /** The observers of calls, by the id that comes back in their events. */
  #calls = new InFlight()
  #lastId = 0
  #answers = new Answers()

  constructor(config) {
    const { options, signals } = readStorageConfig(config)
    this.#options = options
    this.#signals = makeSignals(signals)
  }

  uploadFile(options) {
    return Storage.#uploadFile(this, options)
  }

  /** `signal`: where the options have none. */
  static async #uploadFile(self, options, signal) {
    Storage.#require(self, 'uploadFile')
    const call = describe('uploadFile', options)
    const { body, contentLength, maxBytes, object, observers } = readUpload(options, call)
    observers.signal ??= signal
    throwIfAborted(observers.signal)
    const path = pathOf(body, call)
    if (path !== undefined) {
      return await self.#store(call, observers, object, (storage, ...given) => storage.uploadPath(...given, { path, length: contentLength, maxBytes }))
    }
    const source = sourceOf(body, call)
    if (source) return await self.#uploadSource(call, observers, object, { ...source, length: contentLength ?? source.length, maxBytes })
    // Nothing is awaited before the native part has its copy, except for a Blob, which nobody can change.
    let bytes
    if (isBlob(body)) {
      if (body.size > maxBytes) throw tooLarge(maxBytes, call)
      bytes = await blobBytes(body, observers.signal, call)
      if (body.type) object.declaredType = body.type
    } else {
      bytes = bytesOf(body, call)
    }
    if (bytes.byteLength > maxBytes) throw tooLarge(maxBytes, call)
    requireLength(bytes, contentLength, call)
    // A checkpoint is read first, and meanwhile the caller may do what they like with their buffer.
    if (observers.checkpoint) bytes = Uint8Array.from(bytes)
    return await self.#store(call, observers, object, (storage, ...given) => storage.upload(...given, bytes))
  }

  /** Runs an upload, which may go on where an earlier process left off. */
  #store(call, { checkpoint, ...observers }, object, begin) {
    if (checkpoint) return this.#storeResumably(call, checkpoint, observers, object, begin)
    return this.#upload(call, observers, object, begin)
  }

  async #storeResumably(call, place, observers, object, begin) {
    // Loaded when it is needed, as other things that most processes never do: every import would wait for them.
    const { openCheckpoint } = require('./checkpoint.js')
    const checkpoint = await openCheckpoint(place, { ...call, bucket: object.bucket }, observers.signal)
    const { resume } = checkpoint
    const resumable = { ...object, checkpoint: true, ...(resume && { resume }) }
    const result = await this.#upload(call, { ...observers, onCheckpoint: checkpoint.save }, resumable, begin)
    await checkpoint.done()
    return result
  }

  #upload(call, observers, object, begin) {
    const { key, contentType, ...others } = object
    if (observers.onProgress) others.progress = true
    const options = isEmpty(others) ? undefined : others
    return this.#run(call, observers, (storage, operation, id) =>
      this.#answers.of(id, () => begin(storage, operation ?? id, key, contentType, options)),
    )
  }

  async #uploadSource(call, observers, object, source) {
    const sink = native.createSource(source.length, source.maxBytes)
    if (sink.isFailure) {
      source.cancel()
      throw fromFailure({ ...sink, ...call, message: `${call.operation} failed: ${sink.message}` })
    }
    if (source.contentType) object.declaredType = source.contentType
    let failed
    // Where not even that can be said, nobody else would end the call.
    const brokenOff = new Promise((_, reject) => {
      const failing = pump(source, sink, call).catch((error) => {
        failed = { error }
        sink.fail()
      })
      failing.catch(reject)
    })
    try {
      const stored = this.#store(call, observers, object, (storage, ...given) => storage.uploadSource(...given, sink))
      return await Promise.race([stored, brokenOff])
    } catch (error) {
      if (!failed || error?.code !== 'ERR_SOURCE_FAILED') throw error
      // Wrong chunks are the caller's mistake; all else is the source's own error.
      if (StorageError.isInstance(failed.error)) throw failed.error
      error.cause = failed.error
      throw error
    } finally {
      sink.fail()
      source.cancel()
    }
  }

  downloadAndUpload(options) {
    return Storage.#downloadAndUpload(this, options)
  }

  static async #downloadAndUpload(self, options, signal) {
    Storage.#require(self, 'downloadAndUpload')
    const call = describe('downloadAndUpload', options)
    const { source, object, observers } = readDownload(options, call)
    observers.signal ??= signal
    return await self.#store(call, observers, object, (storage, ...given) => storage.downloadAndUpload(...given, source))
  }

  async uploadFiles(items, options) {
    Storage.#require(this, 'uploadFiles')
    const call = { operation: 'uploadFiles' }
    if (!Array.isArray(items)) throw inputError('ERR_INVALID_OPTION', 'items', 'items must be an array', call)
    const { concurrency = this.#concurrency(), signal } = readBatch(options, call)
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
      if (StorageError.isInstance(error) && error.code === 'NotFound') return false
      throw error
    }
  }

  async download(options) {
    Storage.#require(this, 'download')
    const call = describe('download', options)
    const { object, observers } = readObjectCall(options, call)
    // Its bytes are read after this call; their retries and their end belong to it all the same.
    const running = this.#begin(call, observers)
    const download = await this.#answer(running, (storage, operation) => storage.download(operation, object))
    const info = fromInfo(object.key, download.takeInfo())
    const succeeded = () => this.#succeeded(running, { bucket: info.bucket, size: info.size, attempts: download.attempts })
    const failed = (error) => this.#failed(running, error)
    const { bodyOf } = require('./download.js')
    const onEnd = { succeeded: AsyncResource.bind(succeeded), failed: AsyncResource.bind(failed) }
    return { ...info, body: bodyOf(download, running.operation, observers.signal, onEnd) }
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
    let continuation
    do {
      const next = await this.#run(call, observers, (storage, operation) =>
        storage.list(operation, { ...page, ...(continuation && { continuation }) }),
      )
      yield* next.objects.map(fromListed)
      continuation = next.continuation
    } while (continuation)
  }

  async cleanup(options) {
    Storage.#require(this, 'cleanup')
    const call = describe('cleanup', options)
    const { cleanup, observers } = readCleanup(options, call)
    const { removed, kept } = await this.#run(call, observers, (storage, operation) => storage.cleanup(operation, cleanup))
    return { removed: removed.map(fromOpenUpload), kept }
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
    // Signed here: nothing is sent, so there is nothing to tell of.
    const storage = this.#open(call)
    try {
      const presigned = await storage.presign(request)
      if (presigned.isFailure) throw fromFailure(presigned)
      return fromPresigned(request.method ?? 'GET', presigned)
    } catch (error) {
      throw named(error, call)
    }
  }

  urlOf(options) {
    Storage.#require(this, 'urlOf')
    const call = describe('urlOf', options)
    const { key, bucket } = readAddress(options, call)
    const url = this.#open(call).urlOf(key, bucket)
    if (url.isFailure) throw fromFailure({ ...url, ...call, message: `urlOf failed: ${url.message}` })
    return url
  }

  metrics() {
    Storage.#require(this, 'metrics')
    const { fromMetrics } = require('./metrics.js')
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

  on(name, listener) {
    Storage.#require(this, 'on')
    this.#signals.events.on(name, listener)
    return this
  }

  off(name, listener) {
    Storage.#require(this, 'off')
    this.#signals.events.off(name, listener)
    return this
  }

  close() {
    Storage.#require(this, 'close')
    this.#closed = true
    this.#native?.close()
  }

  /** Runs one native call under the caller's signal and observers. No await before `start`. */
  #run(call, observers, start) {
    return this.#answer(this.#begin(call, observers), start, (running, answer) => this.#succeeded(running, answer))
  }

  #begin(call, observers) {
    const { signal } = observers
    throwIfAborted(signal)
    const storage = this.#openFor(call)
    const id = this.#nextId()
    // It costs as much as all else here, and an upload that nobody can call off does without.
    const operation = signal || !isUpload(call.operation) ? new native.NativeOperation(id) : undefined
    const observer = new Observer(observers, call, this.#signals)
    this.#calls.add(id, observer)
    return { call, signal, storage, id, operation, observer }
  }

  async #answer(running, start, answered) {
    const { signal, storage, id, operation, observer } = running
    const forget = signal && onAbort(signal, () => endQuietly(operation))
    try {
      const answer = await start(storage, operation, id)
      // Events come by another queue than answers; those that were sent before it arrive in this turn.
      if (observer.retries < answer.attempts - 1) await nextTurn()
      if (answer.isFailure) throw fromFailure(answer)
      answered?.(running, answer)
      return answer
    } catch (error) {
      // Once the signal has fired, whatever is thrown is a consequence.
      const told = signal?.aborted ? reasonOf(signal) : named(error, running.call)
      this.#failed(running, told)
      throw told
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
      const fromUrl = item?.url !== undefined && item?.url !== null
      const result = await (fromUrl ? Storage.#downloadAndUpload(this, item, signal) : Storage.#uploadFile(this, item, signal))
      return { ...result, uploadError: false }
    } catch (error) {
      const key = typeof item?.key === 'string' ? item.key : undefined
      return { uploadError: true, errorMessage: userMessageOf(error), error, key }
    }
  }

  /** The native storage, made at the first call: `next build` imports routes without their environment. */
  #open({ operation, key }) {
    if (this.#closed) throw closedError(operation, key)
    if (!this.#native) {
      // The native part keeps these functions for as long as it lives, and they must not keep what it belongs to for that:
      // a storage that is left alone would never be collected. One that works is held by the answers it waits for.
      const self = new WeakRef(this)
      const hear = (event) => self.deref()?.#hear(event)
      const answers = this.#answers
      const made = native.createStorage(this.#options, readEnvironment(), hear, (text) => answers.settle(text))
      if (made.isFailure) throw fromFailure(made)
      this.#native = made
      answers.comeFrom(made)
      this.#signals.telemetry.at(made.endpoints()[0])
    }
    return this.#native
  }

  #concurrency() {
    try {
      return this.#open({ operation: 'uploadFiles' }).concurrency
    } catch {
      // Each item says so for itself: a caller with partial results has a place for that.
      return 1
    }
  }

  /** What the native part tells: of a call, or of an endpoint. */
  #hear(event) {
    if (event.kind === 'breaker') this.#signals.breaker(event)
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

/** An error of a call. What the native part threw does not know whose it is: see seam.js. */
function named(error, { operation, key }) {
  if (StorageError.isInstance(error) && error.operation !== undefined) return error
  return internalError(operation, key, error.cause ?? error)
}

function isEmpty(object) {
  for (const _ in object) return false
  return true
}

function requireLength({ byteLength }, contentLength, call) {
  if (contentLength === undefined || contentLength === byteLength) return
  throw invalid(`body has ${byteLength} bytes, not the ${contentLength} of contentLength`, call)
}

/** What is said of a call wherever it is told of. */
function describe(operation, options) {
  const text = (value) => (typeof value === 'string' ? value : undefined)
  return { operation, key: text(options?.key), bucket: text(options?.bucket) || undefined }
}

function newStorage(config) {
  return new Storage(config)
}

module.exports = { Storage, newStorage }
