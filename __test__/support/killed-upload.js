'use strict'

// Uploads a file, with a checkpoint if there is a place for one, and is killed in the middle of it.

const { newStorage } = require('../../index.js')

const [file, key, checkpoint] = process.argv.slice(2).map((argument) => argument || undefined)
const MIB = 1024 * 1024
const storage = newStorage({ logger: false, multipartThresholdBytes: 5 * MIB, partSizeBytes: 5 * MIB, partConcurrency: 2 })
process.stdout.write('begun\n')
storage.uploadFile({ body: { path: file }, key, checkpoint }).then(({ etag, resumedParts }) => {
  process.stdout.write(JSON.stringify({ etag, resumedParts }))
})
