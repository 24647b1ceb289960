'use strict'

const { statSync } = require('node:fs')
const { UsageError } = require('./usage.js')

/** Where Next.js apps keep their keys, in its order; what is set already stays. */
const FILES = ['.env.local', '.env']

function loadEnvironment(file) {
  if (file !== undefined && !isFile(file)) throw new UsageError(`--env: there is no ${file}`)
  const files = file === undefined ? FILES.filter(isFile) : [file]
  if (files.length > 0 && !process.loadEnvFile) {
    throw new UsageError(`reading ${files[0]} needs Node.js 20.12 or later; set the variables instead`)
  }
  for (const name of files) process.loadEnvFile(name)
}

/** A folder of such a name is Python's. */
function isFile(name) {
  return statSync(name, { throwIfNoEntry: false })?.isFile() ?? false
}

module.exports = { loadEnvironment }
