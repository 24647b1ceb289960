'use strict'

/**
 * Text of others (keys, file names, messages of servers) for a terminal or one line of a log: without what moves a cursor,
 * ends a line, or shows the text in another order than it has (the bidirectional controls, and all else of Unicode's
 * categories control, format, surrogate, private use and unassigned).
 */
function printable(text) {
  return text.toWellFormed().replace(/[\p{C}\u2028\u2029]/gu, '?')
}

module.exports = { printable }
