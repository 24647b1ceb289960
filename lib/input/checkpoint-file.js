'use strict'

// A checkpoint in a file, perhaps in a folder that others may write to.

const fs = require('node:fs')
const path = require('node:path')
const { randomBytes } = require('node:crypto')

const { O_CREAT, O_DIRECTORY = 0, O_EXCL, O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDONLY, O_WRONLY } = fs.constants
const LONGEST_BYTES = 64 * 1024

/** One file for one upload; a crash in the middle of writing leaves the old one or the new one. */
function fileStore(file) {
  // Asked for here: Node loads it when it is first asked for, and most uploads have no checkpoint.
  const { open, rename, rm, unlink } = fs.promises

  /** @returns undefined where there is none */
  async function get() {
    let handle
    try {
      // A pipe would block one of the few threads of Node's pool until somebody writes to it.
      handle = await open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    } catch (error) {
      if (error.code === 'ENOENT') return undefined
      throw error.code === 'ELOOP' ? new Error('its file is a symbolic link, which is not followed') : error
    }
    try {
      const stats = await handle.stat()
      if (!stats.isFile()) throw new Error('its path names something that is not a file')
      // Not to its end: the size says nothing of a file that somebody appends to.
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(LONGEST_BYTES + 1), 0, LONGEST_BYTES + 1, 0)
      return buffer.toString('utf8', 0, bytesRead)
    } finally {
      await handle.close()
    }
  }

  async function set(_, text) {
    // A name that nobody can know before, made here or not at all.
    const fresh = `${file}.${randomBytes(12).toString('hex')}.tmp`
    const handle = await open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
    try {
      try {
        await handle.writeFile(text)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(fresh, file)
    } catch (error) {
      await rm(fresh, { force: true })
      throw error
    }
    await syncFolder()
  }

  /** So that the new name survives a power cut, where the system can do that. */
  async function syncFolder() {
    const folder = await open(path.dirname(file), O_RDONLY | O_DIRECTORY).catch(() => undefined)
    await folder?.sync().catch(() => {})
    await folder?.close()
  }

  /** The link itself, where it is one. */
  const remove = () => unlink(file).catch((error) => (error.code === 'ENOENT' ? undefined : Promise.reject(error)))

  return { get, set, delete: remove }
}

module.exports = { fileStore }
