'use strict'

// Where an upload in parts is remembered, so that the next process can go on with it.

const fs = require('node:fs')
const { orAbort } = require('./abort.js')
const { inputError } = require('./errors.js')

const VERSION = 1
/** A store that takes longer, a server that cannot be reached, is one that fails. */
const PATIENCE_MS = 5000
const TYPES = { uploadId: 'string', partBytes: 'number', fingerprint: 'string' }

/**
 * What an earlier process left, and what keeps what this one needs. Remembering is a help, not a condition: a store
 * that fails costs a warning, and the upload goes on.
 */
async function openCheckpoint(place, call, signal) {
  const store = typeof place === 'string' ? fileStore(place) : place
  const id = `reliable-r2:${call.bucket ?? ''}/${call.key}`
  const resume = parse(await orAbort(attempt(() => store.get(id), 'read'), signal), call)
  let saving = Promise.resolve()
  return {
    resume,
    save(checkpoint) {
      const text = JSON.stringify({ version: VERSION, key: call.key, ...checkpoint })
      saving = attempt(() => store.set(id, text), 'written')
    },
    async done() {
      await saving
      await attempt(() => store.delete(id), 'removed')
    },
  }
}

/** One file for one upload; a crash in the middle of writing leaves the old one or the new one. */
function fileStore(file) {
  // Asked for here: Node loads it when it is first asked for, and most uploads have no checkpoint.
  const { readFile, rename, rm, writeFile } = fs.promises
  return {
    get: () => readFile(file, 'utf8').catch((error) => (error.code === 'ENOENT' ? undefined : Promise.reject(error))),
    async set(_, text) {
      const fresh = `${file}.${process.pid}.tmp`
      await writeFile(fresh, text)
      await rename(fresh, file)
    },
    delete: () => rm(file, { force: true }),
  }
}

/** A text that is no checkpoint is none: the upload begins anew. */
function parse(text, call) {
  let saved
  try {
    saved = JSON.parse(text)
  } catch {
    return undefined
  }
  if (saved?.version !== VERSION || saved.uploadId === '' || !Object.entries(TYPES).every(([name, type]) => typeof saved[name] === type)) return undefined
  if (saved.key !== call.key) {
    const detail = 'checkpoint holds the upload of another object; give each upload its own'
    throw inputError('ERR_INVALID_OPTION', 'checkpoint', detail, call)
  }
  const { uploadId, hasChecksums, partBytes, totalBytes, fingerprint } = saved
  return { uploadId, hasChecksums: hasChecksums === true, partBytes, fingerprint, ...(typeof totalBytes === 'number' && { totalBytes }) }
}

async function attempt(work, what) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the store has not answered for ${PATIENCE_MS / 1000} s`)), PATIENCE_MS)
  })
  try {
    return await Promise.race([work(), late])
  } catch (error) {
    const reason = error instanceof Error ? error.message : typeof error
    process.emitWarning(`a checkpoint could not be ${what}; the upload goes on. ${reason}`, { type: 'ReliableR2Warning' })
    return undefined
  } finally {
    clearTimeout(timer)
  }
}

module.exports = { openCheckpoint }
