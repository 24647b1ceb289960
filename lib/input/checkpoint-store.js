'use strict'

// Where an upload in parts is remembered, so that the next process can resume it.

const { createHash } = require('node:crypto')
const { types } = require('node:util')
const { orAbort } = require('../abort.js')
const { fileStore } = require('./checkpoint-file.js')
const { inputError } = require('../local-errors.js')
const { messageOf } = require('../safe-callback.js')
const { own } = require('../own-properties.js')
const { typeName } = require('./validate.js')

const VERSION = 1
/** A store that takes longer, a server that cannot be reached, is one that fails. */
const STORE_TIMEOUT_MS = 5000
/** A checkpoint has some hundred bytes. */
const LONGEST_TEXT = 64 * 1024
const isCount = (value) => Number.isSafeInteger(value) && value > 0
const isText = (value) => typeof value === 'string' && /^[\x21-\x7e]{1,4096}$/.test(value)
/** What storages take for the size of a part. */
const isPartSize = (value) => isCount(value) && value >= 5 * 1024 ** 2 && value <= 5 * 1024 ** 3
const isAbsent = (value) => value === undefined
const FIELDS = {
  uploadId: isText,
  hasChecksums: (value) => typeof value === 'boolean',
  partBytes: isPartSize,
  totalBytes: (value) => isAbsent(value) || value === 0 || isCount(value),
  fingerprint: isText,
  write: (value) => isAbsent(value) || isText(value),
}

/**
 * Runs an upload with what an earlier process left, and keeps what a later one needs. Remembering is a help, not a
 * condition: a store that fails costs a warning, and the upload continues.
 */
async function withCheckpoint(place, call, signal, upload) {
  const store = typeof place === 'string' ? fileStore(place) : place
  const id = `reliable-r2:${call.bucket ?? ''}/${call.key}`
  const resume = parse(
    await orAbort(
      attempt(async () => textOf(await store.get(id)), 'read'),
      signal,
    ),
    call,
  )
  let saving = Promise.resolve()
  const save = (checkpoint) => {
    const text = write({ key: call.key, ...checkpoint })
    // One after the other: an older one that takes longer must not be the last.
    saving = saving.then(() => attempt(() => store.set(id, text), 'written'))
  }
  // The outcome is known by then: an abort only ends the wait for the store.
  const untilAbort = (work) => orAbort(work, signal).catch(() => {})
  try {
    const result = await upload(resume, save)
    await untilAbort(saving.then(() => attempt(() => store.delete(id), 'removed')))
    return result
  } catch (error) {
    // A process that ends because of it leaves what the next one resumes from.
    await untilAbort(saving)
    throw error
  }
}

/** With a digest of its own: one that was harmed on its way is none, whatever can still be read of it. */
function write(checkpoint) {
  const content = JSON.stringify({ __proto__: null, version: VERSION, ...checkpoint })
  return JSON.stringify({ __proto__: null, content, sha256: sha256(content) })
}

function sha256(text) {
  return createHash('sha256').update(text).digest('hex')
}

/** What a store gave, where it is no longer than any checkpoint; undefined where it has none. */
function textOf(given) {
  if (given === undefined || given === null) return undefined
  if (typeof given === 'string') return given.length > LONGEST_TEXT ? undefined : given
  // As clients of databases give what they do not decode.
  if (types.isUint8Array(given))
    return given.byteLength > LONGEST_TEXT ? undefined : Buffer.from(given).toString('utf8')
  throw new Error(`the store gave ${typeName(given)}, not the string that was set`)
}

/** A text that is no checkpoint is none: the upload starts from its beginning. */
function parse(text, call) {
  if (text === undefined) return undefined
  let saved
  try {
    const { content, sha256: digest } = own(JSON.parse(text))
    if (typeof content !== 'string' || sha256(content) !== digest) return undefined
    saved = own(JSON.parse(content))
  } catch {
    return undefined
  }
  if (saved.version !== VERSION || !Object.entries(FIELDS).every(([name, isSound]) => isSound(saved[name])))
    return undefined
  if (saved.key !== call.key) {
    const detail = 'checkpoint holds the upload of another object; give each upload its own'
    throw inputError('ERR_INVALID_OPTION', 'checkpoint', detail, call)
  }
  const fields = Object.keys(FIELDS).filter((name) => !isAbsent(saved[name]))
  return Object.fromEntries(fields.map((name) => [name, saved[name]]))
}

async function attempt(work, what) {
  let timer
  const late = new Promise((_, reject) => {
    const timedOut = () => reject(new Error(`the store has not responded for ${STORE_TIMEOUT_MS / 1000} s`))
    timer = setTimeout(timedOut, STORE_TIMEOUT_MS)
  })
  try {
    return await Promise.race([work(), late])
  } catch (error) {
    process.emitWarning(`a checkpoint could not be ${what}; the upload continues. ${messageOf(error)}`, {
      type: 'ReliableR2Warning',
    })
    return undefined
  } finally {
    clearTimeout(timer)
  }
}

module.exports = { withCheckpoint }
