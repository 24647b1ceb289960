'use strict'

// The top-level functions: on a storage that the first call makes from the environment.

const { newStorage } = require('./storage.js')

let made
const storage = () => (made ??= newStorage())

async function uploadFile(options) {
  return storage().uploadFile(options)
}

async function uploadFiles(items, options) {
  return storage().uploadFiles(items, options)
}

async function downloadAndUpload(options) {
  return storage().downloadAndUpload(options)
}

module.exports = { downloadAndUpload, uploadFile, uploadFiles }
