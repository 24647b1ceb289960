'use strict'

const { readFileSync } = require('node:fs')
const { setImmediate: nextTurn } = require('node:timers/promises')
const native = require('./load.js')
const { throwIfAborted, withSignal } = require('./abort.js')
const { blobBytes, bytesOf, invalid, isBlob } = require('./body.js')
const { failed, publish, succeeded } = require('./channels.js')
const { openCheckpoint } = require('./checkpoint.js')
const { bodyOf } = require('./download.js')
const { StorageError, closedError, fromFailure, inputError, internalError, userMessageOf } = require('./errors.js')
const { isUpload, makeLog } = require('./log.js')
const { pathOf, pump, sourceOf } = require('./source.js')
const { observe } = require('./observe.js')
const {
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
const { fromMetrics } = require('./metrics.js')
const { fromInfo, fromListed, fromOpenUpload, fromPresigned } = require('./objects.js')

class Storage {
  #options
  #log
  #native
  #closed = false
  /** Calls in flight, by the id that comes back in their events. */
  #calls = new Map()
  #lastId = 0

  constructor(config) {
    const { options, logger } = readStorageConfig(config)
    this.#options = options
    this.#log = makeLog(logger)
  }

  async uploadFile(options) {
    Storage.#require(this, 'uploadFile')
    const call = describe('uploadFile', options)
    const { body, contentLength, object, observers } = readUpload(options, call)
    throwIfAborted(observers.signal)
    const path = pathOf(body, call)
    if (path !== undefined) {
      const start = (storage, operation, wants) => storage.uploadPath(operation, { ...object, ...wants }, path, contentLength)
      return await this.#store(call, observers, object, start)
    }
    const source = sourceOf(body, call)
    if (source) return await this.#uploadSource(call, observers, object, { ...source, length: contentLength ?? source.length })
    // Nothing is awaited before the native part has its copy, except for a Blob, which nobody can change.
    let bytes
    if (isBlob(body)) {
      bytes = await blobBytes(body, observers.signal, call)
      if (object.contentType === undefined && body.type) object.contentType = body.type
    } else {
      bytes = bytesOf(body, call)
    }
    requireLength(bytes, contentLength, call)
    // A checkpoint is read first, and meanwhile the caller may do what they like with their buffer.
    if (observers.checkpoint) bytes = Uint8Array.from(bytes)
    const start = (storage, operation, wants) => storage.upload(operation, { ...object, ...wants }, bytes)
    return await this.#store(call, observers, object, start)
  }

  /** Runs an upload that may go on where an earlier process left off. */
  async #store(call, { checkpoint: place, ...observers }, object, start) {
    if (!place) return await this.#run(call, observers, start)
    const checkpoint = await openCheckpoint(place, { ...call, bucket: object.bucket })
    const { resume } = checkpoint
    const startHere = (storage, operation, wants) =>
      start(storage, operation, { ...wants, checkpoint: true, ...(resume && { resume }) })
    const result = await this.#run(call, { ...observers, onCheckpoint: checkpoint.save }, startHere)
    await checkpoint.done()
    return result
  }

  async #uploadSource(call, observers, object, source) {
    const sink = native.createSource(source.length)
    if (sink.isFailure) throw fromFailure({ ...sink, ...call })
    if (object.contentType === undefined && source.contentType) object.contentType = source.contentType
    let failed
    pump(source, sink, call).catch((error) => {
      failed = { error }
      sink.fail()
    })
    try {
      const start = (storage, operation, wants) => storage.uploadSource(operation, { ...object, ...wants }, sink)
      return await this.#store(call, observers, object, start)
    } catch (error) {
      if (!failed || error.code !== 'ERR_SOURCE_FAILED') throw error
      // Wrong chunks are the caller's mistake; all else is the source's own error.
      if (StorageError.isInstance(failed.error)) throw failed.error
      error.cause = failed.error
      throw error
    } finally {
      sink.fail()
      source.cancel()
    }
  }

  async downloadAndUpload(options) {
    Storage.#require(this, 'downloadAndUpload')
    const call = describe('downloadAndUpload', options)
    const { source, object, observers } = readDownload(options, call)
    const start = (storage, operation, wants) => storage.downloadAndUpload(operation, source, { ...object, ...wants })
    return await this.#store(call, observers, object, start)
  }

  async uploadFiles(items, options) {
    Storage.#require(this, 'uploadFiles')
    const call = { operation: 'uploadFiles' }
    if (!Array.isArray(items)) throw inputError('ERR_INVALID_OPTION', 'items', 'items must be an array', call)
    const { concurrency = this.#concurrency() } = readBatch(options, call)
    const outcomes = new Array(items.length)
    const queue = items.keys()
    const worker = async () => {
      for (const index of queue) outcomes[index] = await this.#outcomeOf(items[index])
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
    let operation
    const start = (storage, own) => storage.download((operation = own), object)
    // Its bytes are read after this call; their retries belong to it all the same.
    const download = await this.#run(call, observers, start, { keep: true })
    const body = bodyOf(download, operation, observers.signal, () => this.#calls.delete(operation.id))
    return { ...fromInfo(object.key, download.takeInfo()), body }
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
    const call = { operation: 'list' }
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
    const call = { operation: 'cleanup' }
    const { cleanup, observers } = readCleanup(options, call)
    const { removed, kept } = await this.#run(call, observers, (storage, operation) => storage.cleanup(operation, cleanup))
    return { removed: removed.map(fromOpenUpload), kept }
  }

  async reconcile(options) {
    Storage.#require(this, 'reconcile')
    const call = { operation: 'reconcile' }
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
    const presigned = await this.#run(call, {}, (storage) => storage.presign(request))
    return fromPresigned(request.method ?? 'GET', presigned)
  }

  metrics() {
    Storage.#require(this, 'metrics')
    const storage = this.#native
    return storage ? fromMetrics(storage.ageMs, storage.metrics(), storage.endpoints()) : fromMetrics(0, [], [])
  }

  metricsText() {
    Storage.#require(this, 'metricsText')
    return this.#native?.metricsText() ?? '# EOF\n'
  }

  close() {
    Storage.#require(this, 'close')
    this.#closed = true
    this.#native?.close()
  }

  /** Runs one native call under the caller's signal and observers. No await before `start`. */
  async #run(call, observers, start, { keep = false } = {}) {
    const { signal } = observers
    throwIfAborted(signal)
    const storage = this.#open(call)
    const id = this.#nextId()
    const operation = new native.NativeOperation(id)
    const started = performance.now()
    const observer = observe(observers, call, this.#log)
    this.#calls.set(id, observer)
    try {
      const receipt = await withSignal(
        signal,
        () => operation.abort(),
        async () => {
          const outcome = await answerOf(() => start(storage, operation, { progress: observer.wantsProgress }), call)
          // Events come by another queue than answers; those that were sent before it arrive in this turn.
          if (observer.retries() < outcome.attempts - 1) await nextTurn()
          if (outcome.isFailure) throw fromFailure(outcome)
          return outcome
        },
      )
      observer.succeeded(receipt)
      publish(succeeded, () => ({ ...call, attempts: receipt.attempts, elapsedMs: Math.round(performance.now() - started) }))
      if (!keep) this.#calls.delete(id)
      return receipt
    } catch (error) {
      this.#calls.delete(id)
      publish(failed, () => ({ ...call, error }))
      if (isUpload(call.operation)) this.#report(error)
      throw error
    }
  }

  /** Neither input that was refused here nor an abort is a failed upload. */
  #report(error) {
    if (!StorageError.isInstance(error) || error.category === 'aborted') return
    if (error.category === 'input' && error.attempts === 0) return
    this.#log.failed(error)
  }

  async #outcomeOf(item) {
    try {
      const fromUrl = item?.url !== undefined && item?.url !== null
      const result = await (fromUrl ? this.downloadAndUpload(item) : this.uploadFile(item))
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
      const made = native.createStorage(this.#options, readEnvironment(), (event) => this.#calls.get(event.id)?.handle(event))
      if (made.isFailure) throw fromFailure(made)
      this.#native = made
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

  #nextId() {
    do this.#lastId = (this.#lastId + 1) >>> 0
    while (this.#calls.has(this.#lastId))
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

/** The native part answers with values; if it throws or rejects, that is a bug in it. */
async function answerOf(start, { operation, key }) {
  try {
    return await start()
  } catch (cause) {
    throw internalError(operation, key, cause)
  }
}

function requireLength({ byteLength }, contentLength, call) {
  if (contentLength === undefined || contentLength === byteLength) return
  throw invalid(`body has ${byteLength} bytes, not the ${contentLength} of contentLength`, call)
}

function describe(operation, options) {
  const key = options?.key
  return { operation, key: typeof key === 'string' ? key : undefined }
}

function readEnvironment() {
  const { env } = process
  const environment = {
    storageEndpoint: env.STORAGE_ENDPOINT,
    storageRegion: env.STORAGE_REGION,
    storageAccessKey: env.STORAGE_ACCESS_KEY,
    storageSecretKey: env.STORAGE_SECRET_KEY,
    storageBucket: env.STORAGE_BUCKET,
    storageDomain: env.STORAGE_DOMAIN,
    extraCaCertificates: readExtraCertificates(env.NODE_EXTRA_CA_CERTS),
  }
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined))
}

function readExtraCertificates(file) {
  if (!file) return undefined
  try {
    return readFileSync(file, 'utf8')
  } catch {
    // Node itself has warned of it at its start and goes on without; so do we.
    return undefined
  }
}

function newStorage(config) {
  return new Storage(config)
}

let defaultStorage
const onDefaultStorage = () => (defaultStorage ??= newStorage())

async function uploadFile(options) {
  return onDefaultStorage().uploadFile(options)
}

async function uploadFiles(items, options) {
  return onDefaultStorage().uploadFiles(items, options)
}

async function downloadAndUpload(options) {
  return onDefaultStorage().downloadAndUpload(options)
}

module.exports = { Storage, downloadAndUpload, newStorage, uploadFile, uploadFiles }
