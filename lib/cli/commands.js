'use strict'

const { createWriteStream } = require('node:fs')
const { rename, rm } = require('node:fs/promises')
const path = require('node:path')
const { Readable } = require('node:stream')
const { pipeline } = require('node:stream/promises')
const { doctor } = require('./doctor.js')
const { bytes, printable } = require('./output.js')
const { copy, put } = require('./put.js')
const { remove } = require('./remove.js')
const { UsageError } = require('./usage.js')

const STANDARD = '-'

/** Each gets { operands, values, output, open, signal, terminal } and gives an exit code where it is not 0. */
const commands = { put, copy, get, ls, rm: remove, doctor }

async function get({ operands, values, output, open, signal, terminal }) {
  const [key, file = key && path.posix.basename(key)] = operands
  if (key === undefined || operands.length > 2)
    throw new UsageError('get takes a KEY and, if it is to have another name, a FILE')
  if (['', '.', '..'].includes(file)) throw new UsageError('this KEY has no name for a file; give a FILE as well')
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

/** Shows what flows through it. */
function counter(name, totalBytes, output) {
  const started = performance.now()
  let loadedBytes = 0
  let shown = -1
  return new TransformStream({
    transform(chunk, controller) {
      loadedBytes += chunk.byteLength
      // More may come than is stored, where it is decompressed.
      const percent = totalBytes ? Math.min(100, Math.floor((loadedBytes / totalBytes) * 100)) : 100
      if (percent !== shown) {
        shown = percent
        const bytesPerSecond = loadedBytes / ((performance.now() - started) / 1000 || 1)
        output.progress?.(name, percent, { loadedBytes, totalBytes, bytesPerSecond })
      }
      controller.enqueue(chunk)
    },
  })
}

module.exports = { commands }
