'use strict'

// Uploads a file, with a checkpoint if there is a place for one, says how far it is, and is killed in the middle of it.

const { fromFile, newStorage } = require('../../index.js')

const [file, key, checkpoint] = process.argv.slice(2).map((argument) => argument || undefined)
const MIB = 1024 * 1024
const storage = newStorage({
  logger: false,
  multipartThresholdBytes: 5 * MIB,
  partSizeBytes: 5 * MIB,
  partConcurrency: 2,
})
const onProgress = (percent) => process.stdout.write(`${percent}\n`)
onProgress(0)
storage.uploadFile({ body: fromFile(file), key, checkpoint, onProgress }).then(({ etag, resumedParts }) => {
  process.stdout.write(JSON.stringify({ etag, resumedParts }))
})
