'use strict'

const { makeWriter } = require('./log-writer.js')

/** The calls whose failure has lost something. */
const isUpload = (operation) => operation === 'uploadFile' || operation === 'downloadAndUpload'

/** What a storage logs. People monitor `[Storage] Upload retry` and `[Critical] Failed to upload`: they stay as they are. */
function makeLog(options) {
  const { wants, write } = makeWriter(options)
  return {
    wants,

    retry(retry) {
      const { operation, key, attempt, maxAttempts, delayMs, code, host, status, elapsedMs, message: reason } = retry
      const { message: _, ...facts } = retry
      write('warn', {
        message: `[Storage] ${nameOf(operation)} retry ${attempt}/${maxAttempts} in ${delayMs} ms: ${code}`,
        details: { key: key && quote(key), host, status, elapsed: `${elapsedMs} ms` },
        reason,
        fields: { event: 'retry', ...facts, reason },
      })
    },

    failover(failover) {
      const { operation, key, endpoint, code } = failover
      write('warn', {
        message: `[Storage] ${nameOf(operation)} fails over to ${endpoint} after ${code}`,
        details: { key: key && quote(key) },
        fields: { event: 'failover', ...failover },
      })
    },

    breaker(breaker) {
      const { endpoint, state, retryAfterMs } = breaker
      const [level, what] = {
        open: ['warn', `opened: nothing is sent there${retryAfterMs === undefined ? '' : ` for ${retryAfterMs} ms`}`],
        halfOpen: ['info', 'half-open: sending one probe'],
        closed: ['info', 'closed: requests pass again'],
      }[state] ?? ['info', state]
      write(level, {
        message: `[Storage] Circuit breaker of ${endpoint} ${what}`,
        fields: { event: 'breaker', ...breaker },
      })
    },

    succeeded(success) {
      const { operation, key, attempts, elapsedMs } = success
      write('debug', {
        message: `[Storage] ${nameOf(operation)} succeeded${key ? ` for ${quote(key)}` : ''} after ${tries(attempts, elapsedMs)}`,
        fields: { event: 'success', ...success },
      })
    },

    /** Of an upload: something was lost. */
    failed(error) {
      const { operation, key, attempts, elapsedMs, code, category, message, host, status, requestId } = error
      write('error', {
        message: `[Critical] Failed to upload ${key === undefined ? 'an object' : quote(key)} after ${tries(attempts, elapsedMs)}: ${code}`,
        details: { host, status, 'request id': requestId },
        // The message says key and attempts again; what is new stands behind the code.
        reason: message.slice(message.indexOf(`${code}: `)).slice(`${code}: `.length),
        fields: {
          event: 'failure',
          operation,
          key,
          attempts,
          elapsedMs,
          code,
          category,
          host,
          status,
          requestId,
          err: error,
        },
      })
    },
  }
}

function nameOf(operation) {
  return isUpload(operation) ? 'Upload' : operation
}

function tries(attempts, elapsedMs) {
  return `${attempts} attempt${attempts === 1 ? '' : 's'} in ${elapsedMs} ms`
}

/** On one line, whatever the key holds. */
function quote(key) {
  return JSON.stringify(key)
}

module.exports = { isUpload, makeLog }
