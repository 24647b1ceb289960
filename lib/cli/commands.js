'use strict'

const { createWriteStream, existsSync } = require('node:fs')
const { rename, rm } = require('node:fs/promises')
const path = require('node:path')
const { Readable } = require('node:stream')
const { pipeline } = require('node:stream/promises')
const { doctor } = require('./doctor.js')
const { bytes } = require('./output.js')
const { UsageError } = require('./usage.js')

const STANDARD = '-'

/** Each gets { operands, values, output, open, signal, terminal } and gives an exit code where it is not 0. */
const commands = { put, copy, get, ls, rm: remove, doctor }

async function put({ operands, values, output, open, signal, terminal }) {
  const uploads = plan(operands)
  if (values.checkpoint && uploads.length > 1) throw new UsageError('--checkpoint is for one file')
  const twice = uploads.find(({ key }, index) => uploads.findIndex((other) => other.key === key) < index)
  if (twice) throw new UsageError(`two files would be stored as ${twice.key}; put them one by one, with a KEY each`)
  const storage = open()
  for (const { file, key } of uploads) {
    const body = file === STANDARD ? terminal.stdin : { path: file }
    stored(await storage.uploadFile({ body, key, ...objectOptions(values, output, signal, key) }), output)
  }
}

async function copy({ operands, values, output, open, signal }) {
  if (operands.length !== 2) throw new UsageError('copy takes a URL and a KEY')
  const [url, key] = operands
  stored(await open().downloadAndUpload({ url, key, ...objectOptions(values, output, signal, key) }), output)
}

async function get({ operands, values, output, open, signal, terminal }) {
  const [key, file = key && path.posix.basename(key)] = operands
  if (key === undefined || operands.length > 2) throw new UsageError('get takes a KEY and, if it is to have another name, a FILE')
  const { body, ...info } = await open().download({ key, signal })
  const counted = body.pipeThrough(counter(key, info.size, output))
  if (file === STANDARD) {
    await pipeline(Readable.fromWeb(counted), terminal.stdout, { end: false, signal })
    return
  }
  // Under its own name only when it is whole.
  const partial = `${file}.${process.pid}.partial`
  try {
    await pipeline(Readable.fromWeb(counted), createWriteStream(partial, { flags: 'wx' }), { signal })
    await rename(partial, file)
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
  output.result({ ...info, file }, `${file}  ${bytes(info.size)}`)
}

async function ls({ operands, output, open, signal }) {
  if (operands.length > 1) throw new UsageError('ls takes one PREFIX')
  for await (const object of open().list({ prefix: operands[0], signal })) {
    const time = object.lastModified?.toISOString().slice(0, 19).replace('T', ' ') ?? ''
    output.result(object, `${bytes(object.size).padStart(10)}  ${time.padEnd(19)}  ${printable(object.key)}`)
  }
}

async function remove({ operands, output, open, signal }) {
  if (operands.length === 0) throw new UsageError('rm takes one KEY or more')
  const storage = open()
  for (const key of operands) output.result(await storage.delete({ key, signal }), `removed ${printable(key)}`)
}

/** Which file goes where: `FILE KEY`, `FILE... PREFIX/` or `FILE...`. */
function plan(operands) {
  const last = operands.at(-1)
  if (operands.length === 0) throw new UsageError('put takes one FILE or more')
  const files = operands.slice(0, -1)
  if (files.length > 0 && last.endsWith('/')) return files.map((file) => ({ file, key: last + nameOf(file) }))
  if (files.length === 1 && (files[0] === STANDARD || !existsSync(last))) return [{ file: files[0], key: last }]
  // Before the first of them is stored.
  const missing = operands.length > 1 && operands.find((file) => file !== STANDARD && !existsSync(file))
  if (missing) throw new UsageError(`there is no file ${missing}; a PREFIX for several files ends in /`)
  return operands.map((file) => ({ file, key: nameOf(file) }))
}

function nameOf(file) {
  if (file === STANDARD) throw new UsageError('put - needs a KEY: reliable-r2 put - KEY')
  return path.basename(file)
}

function objectOptions(values, output, signal, key) {
  return {
    contentType: values.type,
    cacheControl: values.cache,
    compress: values.compress,
    checkpoint: values.checkpoint,
    ifNoneMatch: values['if-absent'] ? '*' : undefined,
    onProgress: output.progress && ((percent, detail) => output.progress(key, percent, detail)),
    signal,
  }
}

function stored(result, output) {
  const { size, attempts, parts, elapsedMs, url } = result
  const facts = [bytes(size), `${elapsedMs} ms`]
  if (parts > 1) facts.push(`${parts} parts`)
  if (attempts > 1) facts.push(`${attempts} attempts`)
  output.result(result, `${url}  (${facts.join(', ')})`)
}

/** Shows what flows through it. */
function counter(name, totalBytes, output) {
  const started = performance.now()
  let loadedBytes = 0
  let shown = -1
  return new TransformStream({
    transform(chunk, controller) {
      loadedBytes += chunk.byteLength
      const percent = totalBytes ? Math.floor((loadedBytes / totalBytes) * 100) : 100
      if (percent !== shown) {
        shown = percent
        const bytesPerSecond = loadedBytes / ((performance.now() - started) / 1000 || 1)
        output.progress?.(name, percent, { loadedBytes, totalBytes, bytesPerSecond })
      }
      controller.enqueue(chunk)
    },
  })
}

/** Keys of others may hold what moves a terminal's cursor. */
function printable(key) {
  return key.replace(/[\p{Cc}\u2028\u2029]/gu, '?')
}

module.exports = { commands }
