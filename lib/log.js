'use strict'

/** The calls whose failure has lost something. */
const isUpload = (operation) => operation === 'uploadFile' || operation === 'downloadAndUpload'

const isProduction = () => process.env.NODE_ENV === 'production'

/**
 * The lines that people monitor, to the caller's logger or to the console. In production the console is told
 * of failed uploads only, and details stay out of every line.
 */
function makeLog(logger) {
  const silent = logger === false
  const write = (level, line) => {
    try {
      const target = logger ?? console
      target[level]?.(line)
    } catch {
      // A logger that throws must not fail an upload, and there is no logger to tell.
    }
  }
  return {
    retry({ operation, attempt, maxAttempts, delayMs, code, message, key, host, status, elapsedMs }) {
      if (silent || (isProduction() && !logger)) return
      const details = detailsOf({ key: quote(key), host, status, elapsed: `${elapsedMs} ms` }, message)
      const what = isUpload(operation) ? 'Upload' : operation
      write('warn', `[Storage] ${what} retry ${attempt}/${maxAttempts} in ${delayMs} ms: ${code}${details}`)
    },
    failed({ key, attempts, elapsedMs, code, message, host, status, requestId }) {
      if (silent) return
      const tries = `${attempts} attempt${attempts === 1 ? '' : 's'} in ${elapsedMs} ms`
      // The message says key and attempts again; what is new stands behind the code.
      const reason = message.slice(message.indexOf(`${code}: `)).slice(`${code}: `.length)
      const details = detailsOf({ host, status, 'request id': requestId }, reason)
      write('error', `[Critical] Failed to upload ${quote(key)} after ${tries}: ${code}${details}`)
    },
  }
}

function detailsOf(facts, message) {
  if (isProduction()) return ''
  const list = Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')
  return `${list && ` (${list})`}${message ? `: ${message}` : ''}`
}

/** On one line, whatever the key holds. */
function quote(key) {
  return key === undefined ? 'an object' : JSON.stringify(key)
}

module.exports = { isUpload, makeLog }
