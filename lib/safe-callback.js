'use strict'

const { isError } = require('./is-error.js')
const { printable } = require('./printable.js')

/**
 * A callback that throws, now or later, costs its owner a warning and its caller nothing: it then has returned undefined.
 */
function guarded(callback, name) {
  if (callback === undefined) return () => {}
  let warned = false
  const warn = (error) => {
    if (warned) return
    warned = true
    process.emitWarning(`${name} threw; the call continues. ${reasonOf(error)}`, { type: 'ReliableR2Warning' })
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
    return isError(error) ? String(error.stack ?? error.message) : typeof error
  } catch {
    return 'an error that cannot be read'
  }
}

/** One line of what was thrown, which may be anything, for a warning. */
function messageOf(error) {
  try {
    const text = isError(error) ? String(error.message) : typeof error
    return printable(text.replace(/\/\/[^\s/@]*@/g, '//').replace(/\?\S*/g, '?…')).slice(0, 300)
  } catch {
    return 'an error that cannot be read'
  }
}

module.exports = { guarded, messageOf }
