'use strict'

const { styleText } = require('node:util')
const { printable } = require('../printable.js')
const { UsageError } = require('./usage.js')

const BAR_WIDTH = 24
/** The same value, with such characters escaped. */
const escaped = (text) =>
  Array.from({ length: text.length }, (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')
const safeJson = (value) => JSON.stringify(value).replace(/[\p{C}\u2028\u2029]/gu, escaped)

/** Our own colors, and the ends of lines. */
const OURS = /(\x1b\[\d{1,3}m|\n)/

/** Keys, file names and texts of servers without what moves a terminal's cursor or reorders what it shows. */
const safe = (text) =>
  String(text)
    .split(OURS)
    .map((piece, index) => (index % 2 === 1 ? piece : printable(piece)))
    .join('')

/**
 * What people and programs see: results on standard output, all else on standard error. A progress bar only on a
 * terminal; with --json, one object for each line.
 */
function makeOutput({ stdout, stderr }, { json = false, quiet = false }) {
  const live = !json && !quiet && stderr.isTTY === true
  let drawn = false
  const clear = () => {
    if (drawn) stderr.write('\r\x1b[2K')
    drawn = false
  }
  const note = (text) => {
    clear()
    stderr.write(`${safe(text)}\n`)
  }
  return {
    line(text) {
      clear()
      stdout.write(`${safe(text)}\n`)
    },
    /** `text` for people, `value` for programs. */
    result(value, text) {
      clear()
      stdout.write(`${json ? safeJson(value) : safe(text)}\n`)
    },
    /** Draws how far something is; undefined where that is of no interest. */
    progress: live
      ? (name, percent, { loadedBytes, totalBytes, bytesPerSecond }) => {
          const filled = Math.round((percent / 100) * BAR_WIDTH)
          const bar = totalBytes ? `[${'='.repeat(filled)}${' '.repeat(BAR_WIDTH - filled)}] ${percent}%` : ''
          const speed = bytesPerSecond ? `${bytes(bytesPerSecond)}/s` : ''
          const columns = stderr.columns || 80
          stderr.write(`\r\x1b[2K${`${safe(name)}  ${bar}  ${bytes(loadedBytes)}  ${speed}`.slice(0, columns - 1)}`)
          drawn = true
        }
      : undefined,
    retry: quiet || json ? undefined : note,
    note: quiet || json ? () => {} : note,
    /** `name`: which of several items it is of. */
    error(error, name) {
      if (json) return note(JSON.stringify({ error: errorValue(error), ...(name !== undefined && { item: name }) }))
      const item = name !== undefined && !messageOf(error).includes(name) ? `${printable(name)}: ` : ''
      note(`${style('red', 'reliable-r2:', stderr)} ${item}${messageOf(error)}`)
      if (error instanceof UsageError) note('`reliable-r2 --help` shows what there is.')
    },
    /** How a command with several items ended. */
    summary(value, text) {
      if (json) note(JSON.stringify({ summary: value }))
      else if (!quiet) note(text)
    },
    end: clear,
    style: (format, text) => style(format, text, stdout),
  }
}

function messageOf(error) {
  if (error?.name === 'AbortError') return 'interrupted'
  return error instanceof Error ? error.message : String(error)
}

function errorValue(error) {
  return typeof error?.toJSON === 'function' ? error.toJSON() : { message: messageOf(error) }
}

function style(format, text, stream) {
  // Older versions of Node.js style without asking.
  return stream.isTTY && !process.env.NO_COLOR && styleText ? styleText(format, text) : text
}

/** As people say it: 1.5 MiB. */
function bytes(count) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let power = 0
  let rest = count
  while (rest >= 1024 && power < units.length - 1) {
    rest /= 1024
    power += 1
  }
  return `${power === 0 || rest >= 100 ? Math.round(rest) : rest.toFixed(1)} ${units[power]}`
}

module.exports = { bytes, makeOutput, printable }
