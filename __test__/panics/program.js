'use strict'

// Calls everything that the addon exports, one thing after the other, where one of them panics. Ends with 0 if
// every call ended, and what failed failed with a typed error.

const assert = require('node:assert/strict')
const { writeFileSync, mkdtempSync, rmSync } = require('node:fs')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { Readable } = require('node:stream')
const { buffer } = require('node:stream/consumers')
const { startLocalR2 } = require('../../lib/testing/index.js')

/** A call that hangs is no typed error; none takes a second. */
const LIMIT_MS = 20_000
const unhandled = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))
process.on('uncaughtException', (error) => unhandled.push(error))

const failures = []
async function step(name, run) {
  const late = new Promise((_, reject) => setTimeout(reject, LIMIT_MS, new Error(`${name} hangs`)).unref())
  try {
    await Promise.race([run(), late])
  } catch (error) {
    failures.push([name, error])
  }
}

async function main() {
  let api
  await step('load', async () => {
    api = require('../../index.js')
  })
  if (!api) return
  const { newStorage, isRetryableError, retryWithBackoff, userMessageOf } = api
  const r2 = await startLocalR2()
  const folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-'))
  const file = path.join(folder, 'a.bin')
  writeFileSync(file, 'file')
  const options = {
    ...r2.config,
    retry: { maxAttempts: 2, initialDelayMs: 0, maxDelayMs: 0, timeout: 5000 },
    logger: false,
    allowPrivateNetworks: true,
  }
  let storage
  await step('newStorage', async () => {
    storage = newStorage(options)
  })
  if (storage) {
    await step('uploadFile', () => storage.uploadFile({ key: 'a', body: 'x' }))
    // More than is held at once, so that it has to wait for capacity.
    await step('a stream', () =>
      storage.uploadFile({ key: 'b', body: Readable.from(['a', 'b', Buffer.alloc(64_000_000)]) }),
    )
    await step('a stream that fails', () =>
      storage
        .uploadFile({
          key: 'c',
          body: (async function* () {
            yield 'x'
            throw new Error('mine')
          })(),
        })
        .catch((error) => {
          if (error.code !== 'ERR_INVALID_BODY' && error.code !== 'ERR_SOURCE_FAILED' && error.message !== 'mine')
            throw error
        }),
    )
    await step('a checkpoint', () =>
      storage.uploadFile({ key: 'checkpointed', body: 'x', checkpoint: `${file}.checkpoint` }),
    )
    await step('a file', () => storage.uploadFile({ key: 'd', body: api.fromFile(file) }))
    await step('uploadFiles', () => storage.uploadFiles([], { concurrency: 2 }))
    await step('downloadAndUpload', async () => {
      const { url } = await storage.presign({ key: 'a' })
      await storage.downloadAndUpload({ key: 'e', url })
    })
    await step('presign', () => storage.presign({ key: 'a' }))
    await step('publicUrl', async () => storage.publicUrl({ key: 'a' }))
    await step('uploadFiles', async () => {
      for (const { uploadError, error } of await storage.uploadFiles([{ key: 'f', body: 'x' }], { concurrency: 2 }))
        if (uploadError) throw error
    })
    await step('concurrency of the storage', async () => {
      for (const { uploadError, error } of await storage.uploadFiles([{ key: 'f', body: 'x' }]))
        if (uploadError) throw error
    })
    await step('head', () => storage.head({ key: 'a' }))
    await step('download', async () =>
      assert.equal(String(await buffer((await storage.download({ key: 'a' })).body)), 'x'),
    )
    await step('a download that is cancelled', async () => (await storage.download({ key: 'b' })).body.cancel())
    await step('a call that is aborted', async () => {
      const controller = new AbortController()
      const call = storage.uploadFile({ key: 'g', body: 'x', signal: controller.signal })
      controller.abort('enough')
      await call.catch((reason) => {
        if (reason !== 'enough') throw reason
      })
    })
    await step('delete', () => storage.delete({ key: 'e' }))
    await step('list', async () => {
      for await (const { key } of storage.list()) assert.ok(key)
    })
    await step('abortIncompleteUploads', () => storage.abortIncompleteUploads())
    await step('reconcile', () => storage.reconcile())
    await step('metrics', async () => storage.metrics())
    await step('metricsText', async () => storage.metricsText())
    await step('setBreaker', async () => storage.setBreaker('closed'))
    await step('close', async () => storage.close())
  }
  await step('retryWithBackoff', () =>
    retryWithBackoff(
      ({ attempt }) => {
        if (attempt === 1) throw Object.assign(new Error(), { code: 'EPIPE' })
      },
      { initialDelayMs: 0 },
    ),
  )
  await step('isRetryableError', async () => isRetryableError(new Error()))
  await step('userMessageOf', async () => userMessageOf?.(new Error()))
  await step('an error of the facade', async () => {
    try {
      newStorage({ bucket: 5 })
    } catch (error) {
      if (error.code !== 'ERR_INVALID_OPTION') throw error
    }
  })
  // What only the types' test asks for.
  await step('errorCodes', async () => require('../../lib/native/index.js').errorCodes())
  await step('the place of an operation', async () => new (require('../../lib/native/index.js').NativeOperation)(1).id)
  rmSync(folder, { recursive: true })
  await r2.stop()
}

main().then(() => {
  const StorageError = require('../../lib/errors.js').StorageError
  const untyped = [...failures, ...unhandled.map((error) => ['unhandled', error])].filter(
    ([name, error]) => name === 'unhandled' || !(error instanceof StorageError),
  )
  for (const [name, error] of failures) console.log(`${name}: ${error?.name} ${error?.code}: ${error?.message}`)
  if (untyped.length > 0) console.log('NOT TYPED', untyped)
  process.exit(untyped.length > 0 ? 1 : 0)
})
