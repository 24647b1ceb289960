'use strict'

// Starts uploads of every kind and says so; its owner ends it in the middle of them.

const { parentPort } = require('node:worker_threads')
const { newStorage } = require('../../index.js')

const storage = newStorage({ logger: false, retry: { initialDelayMs: 5, maxDelayMs: 10, maxAttempts: 50 } })
const body = Buffer.alloc(300_000, 7)
for (let n = 0; n < 5; n += 1) {
  storage.uploadFile({ body, key: `worker/slow-${n}.bin`, onProgress: () => {} }).catch(() => {})
  storage.uploadFile({ body, key: `worker/reset-${n}.bin`, onRetry: () => {} }).catch(() => {})
}
const piece = Buffer.alloc(1_000_000, 7)
async function* endless() {
  for (;;) {
    await null
    yield piece
  }
}
const inParts = newStorage({ logger: false, multipartThresholdBytes: 5 * 1024 * 1024, partSizeBytes: 5 * 1024 * 1024 })
inParts.uploadFile({ body: endless(), key: 'worker/slow-stream.bin', onProgress: () => {} }).catch(() => {})
inParts.uploadFile({ body: endless(), key: 'worker/reset-stream.bin' }).catch(() => {})
parentPort.postMessage('started')
