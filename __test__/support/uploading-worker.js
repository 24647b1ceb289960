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
parentPort.postMessage('started')
