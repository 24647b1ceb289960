'use strict'

/**
 * A callback that throws, now or later, costs its owner a warning and its caller nothing: it then has returned undefined.
 */
function guarded(callback, name) {
  if (callback === undefined) return () => {}
  let warned = false
  const warn = (error) => {
    if (warned) return
    warned = true
    process.emitWarning(`${name} threw; all else goes on. ${reasonOf(error)}`, { type: 'ReliableR2Warning' })
  }
  return (...args) => {
    try {
      const result = callback(...args)
      if (typeof result?.then === 'function') result.then(undefined, warn)
      return result
    } catch (error) {
      warn(error)
      return undefined
    }
  }
}

/** What is thrown may be anything, also something that throws when it is looked at. */
function reasonOf(error) {
  try {
    return error instanceof Error ? String(error.stack ?? error.message) : typeof error
  } catch {
    return 'an error that cannot be read'
  }
}

module.exports = { guarded }
