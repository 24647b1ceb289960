'use strict'

const { existsSync, statSync } = require('node:fs')
const path = require('node:path')
const { fromFile } = require('../input/from-file.js')
const { runBatch } = require('./batch.js')
const { bytes, printable } = require('./output.js')
const { UsageError } = require('./usage.js')

const STANDARD = '-'
const CONCURRENCY = 4
const MOST_AT_ONCE = 64

async function put({ operands, values, output, open, signal, terminal }) {
  const uploads = plan(operands)
  const concurrency = readConcurrency(values.concurrency)
  if (values.checkpoint && uploads.length > 1) throw new UsageError('--checkpoint is for one file')
  const twice = firstTwice(uploads)
  if (twice) throw new UsageError(`two files would be stored as ${twice}; put them one by one, with a KEY each`)
  const storage = open()
  const progress = uploads.length > 1 ? progressOfAll(uploads, output) : output.progress
  const store = ({ file, key }) => {
    const body = file === STANDARD ? terminal.stdin : fromFile(file)
    return storage.uploadFile({ body, key, ...objectOptions(values, progress, signal, key) })
  }
  const report = (result) => reportStored(result, output)
  return runBatch(uploads, {
    work: store,
    report,
    nameOf: ({ file }) => file,
    done: 'stored',
    concurrency,
    output,
    signal,
  })
}

async function copy({ operands, values, output, open, signal }) {
  if (operands.length !== 2) throw new UsageError('copy takes a URL and a KEY')
  const [url, key] = operands
  reportStored(
    await open().downloadAndUpload({ url, key, ...objectOptions(values, output.progress, signal, key) }),
    output,
  )
}

/** Which file goes where: `FILE KEY`, `FILE... PREFIX/` or `FILE...`. */
function plan(operands) {
  const last = operands.at(-1)
  if (operands.length === 0) throw new UsageError('put takes one FILE or more')
  const files = operands.slice(0, -1)
  if (files.length > 0 && last.endsWith('/')) return files.map((file) => ({ file, key: last + nameOf(file) }))
  if (files.length === 1 && (files[0] === STANDARD || !existsSync(last))) return [{ file: files[0], key: last }]
  // The last one may be meant as a prefix: said before the first is stored. Any other is a file that is missing.
  if (operands.length > 1 && last !== STANDARD && !existsSync(last)) {
    throw new UsageError(`there is no file ${printable(last)}; a PREFIX for several files ends in /`)
  }
  return operands.map((file) => ({ file, key: nameOf(file) }))
}

function nameOf(file) {
  if (file === STANDARD) throw new UsageError('put - needs a KEY: reliable-r2 put - KEY')
  return path.basename(file)
}

function firstTwice(uploads) {
  const seen = new Set()
  for (const { key } of uploads) {
    if (seen.has(key)) return key
    seen.add(key)
  }
  return undefined
}

function readConcurrency(given) {
  if (given === undefined) return CONCURRENCY
  const count = Number(given)
  if (Number.isInteger(count) && count >= 1 && count <= MOST_AT_ONCE) return count
  throw new UsageError(`--concurrency must be a number from 1 to ${MOST_AT_ONCE}`)
}

/** One bar for all files, by their bytes. */
function progressOfAll(uploads, output) {
  if (!output.progress) return undefined
  const started = performance.now()
  const totalBytes = uploads.reduce((sum, { file }) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0)
  const loaded = new Map()
  const whole = new Set()
  return (key, percent, detail) => {
    loaded.set(key, detail.loadedBytes)
    if (percent === 100) whole.add(key)
    const loadedBytes = Array.from(loaded.values()).reduce((sum, count) => sum + count, 0)
    const bytesPerSecond = loadedBytes / ((performance.now() - started) / 1000 || 1)
    const done = totalBytes ? Math.min(100, Math.floor((loadedBytes / totalBytes) * 100)) : 0
    output.progress(`${whole.size} of ${uploads.length} files`, done, { loadedBytes, totalBytes, bytesPerSecond })
  }
}

function objectOptions(values, progress, signal, key) {
  return {
    contentType: values.type,
    cacheControl: values.cache,
    compress: values.compress,
    checkpoint: values.checkpoint,
    ifNoneMatch: values['if-absent'] ? '*' : undefined,
    onProgress: progress && ((percent, detail) => progress(key, percent, detail)),
    signal,
  }
}

function reportStored(result, output) {
  const { size, attempts, parts, elapsedMs, url } = result
  const facts = [bytes(size), `${elapsedMs} ms`]
  if (parts > 1) facts.push(`${parts} parts`)
  if (attempts > 1) facts.push(`${attempts} attempts`)
  output.result(result, `${url}  (${facts.join(', ')})`)
}

module.exports = { copy, put }
