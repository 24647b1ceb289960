'use strict'

const { StorageError } = require('../errors.js')
const { printable } = require('./output.js')

const FAILED = 1
/** EX_TEMPFAIL of sysexits.h. */
const FAILED_FOR_NOW = 75

/**
 * Runs `work(item)` for each item, some at a time, continues after a failure, and reports in the order of the items: a result
 * by `report`, a failure on standard error. Several items end with a summary. Resolves to the exit code.
 *
 * `work` gives a result, or throws. What would fail for every item (a missing variable, an interrupt) ends the batch.
 */
async function runBatch(items, { work, report, nameOf, done, concurrency, output, signal }) {
  // Of one item the failure is that of the command.
  if (items.length === 1) return (report(await work(items[0])), 0)
  const outcomes = items.map(() => Promise.withResolvers?.() ?? deferred())
  for (const { promise } of outcomes) promise.catch(() => {})
  const queue = items.entries()
  const worker = async () => {
    for (const [index, item] of queue) {
      if (signal.aborted) return
      try {
        outcomes[index].resolve({ result: await work(item) })
      } catch (error) {
        if (signal.aborted || isOfEveryItem(error)) {
          for (const { reject } of outcomes) reject(error)
          return
        }
        outcomes[index].resolve({ error })
      }
    }
  }
  const running = Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker))
  signal.addEventListener('abort', () => outcomes.forEach(({ reject }) => reject(signal.reason)), { once: true })

  const failed = []
  let succeeded = 0
  try {
    for (const [index, { promise }] of outcomes.entries()) {
      const { error, result } = await promise
      if (error === undefined) {
        succeeded += 1
        report(result)
      } else {
        failed.push({ name: nameOf(items[index]), error })
        output.error(error, nameOf(items[index]))
      }
    }
  } finally {
    await running
    output.summary({ [done]: succeeded, failed: failed.length }, summaryOf(items.length, succeeded, failed, done))
  }
  return exitCodeOf(failed)
}

function summaryOf(total, succeeded, failed, done) {
  const names = failed.slice(0, 3).map(({ name }) => printable(name))
  if (failed.length > names.length) names.push(`${failed.length - names.length} more`)
  return `${succeeded} of ${total} ${done}${failed.length > 0 ? `, ${failed.length} failed: ${names.join(', ')}` : ''}`
}

function isOfEveryItem(error) {
  return error instanceof StorageError && (error.operation === 'newStorage' || error.code === 'ERR_MISSING_OPTION')
}

/** Another try of the same command may help only if it may help every failed item. */
function exitCodeOf(failed) {
  if (failed.length === 0) return 0
  return failed.every(({ error }) => error instanceof StorageError && error.retryable) ? FAILED_FOR_NOW : FAILED
}

/** Node.js 20 has no Promise.withResolvers. */
function deferred() {
  const made = {}
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }))
  return made
}

module.exports = { runBatch }
