'use strict'

const { runBatch } = require('./batch.js')
const { printable } = require('./output.js')
const { UsageError } = require('./usage.js')

const CONCURRENCY = 8
const PATTERN = /[*?[\]{}]/

/**
 * Removes objects, and says of each whether it was there: the storage itself responds to the DELETE of an absent object as a
 * success. Keys are taken as they are; only `--recursive` takes a prefix.
 */
async function remove({ operands, values, output, open, signal }) {
  if (operands.length === 0) throw new UsageError('rm takes one KEY or more')
  const storage = open()
  if (values.recursive) return removePrefixes(operands, { storage, output, signal })
  const work = async (key) => {
    if (await storage.exists({ key, signal })) return storage.delete({ key, signal })
    if (values.force) return undefined
    throw new MissingObject(await explain(key, storage, signal), key)
  }
  return runAll(operands, work, { output, signal })
}

/** What a key that does not exist may have been meant to be. */
async function explain(key, storage, signal) {
  const shown = printable(key)
  if (PATTERN.test(key))
    return `there is no object ${shown}, and nothing was removed: rm takes keys as they are and expands no pattern`
  const prefix = key.endsWith('/') ? key : `${key}/`
  for await (const _ of storage.list({ prefix, pageSize: 1, signal })) {
    return `${shown} is a prefix and no object, and nothing was removed: \`rm --recursive ${printable(prefix)}\` removes all objects below it`
  }
  return `there is no object ${shown}; \`ls\` shows what there is, and --force ignores what is not`
}

async function removePrefixes(prefixes, { storage, output, signal }) {
  const wrong = prefixes.find((prefix) => !prefix.endsWith('/'))
  if (wrong !== undefined) throw new UsageError(`--recursive takes a PREFIX that ends in /, not ${printable(wrong)}`)
  const keys = []
  for (const prefix of prefixes) {
    const before = keys.length
    for await (const { key } of storage.list({ prefix, signal })) keys.push(key)
    if (keys.length === before)
      throw new MissingObject(`there is no object below ${printable(prefix)}, and nothing was removed`, prefix)
  }
  return runAll(keys, (key) => storage.delete({ key, signal }), { output, signal })
}

/** `work` gives what it deleted, if anything. */
function runAll(keys, work, { output, signal }) {
  const report = (deleted) => deleted && output.result(deleted, `removed ${printable(deleted.key)}`)
  return runBatch(keys, {
    work,
    report,
    nameOf: (key) => key,
    done: 'removed',
    concurrency: CONCURRENCY,
    output,
    signal,
  })
}

/** The request went well; what it was to remove was not there. */
class MissingObject extends Error {
  code = 'NotFound'

  constructor(message, key) {
    super(message)
    this.key = key
  }

  toJSON() {
    return { code: this.code, message: this.message, key: this.key }
  }
}

module.exports = { remove }
