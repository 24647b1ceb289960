// The licences of what is linked into a binary: they ask to go wherever it goes.

import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { licenceOf, linkedCrates } from './crates.mjs'

const LICENCE_FILE = /^(licen[cs]e|copying|notice|unlicense)/i

function texts({ manifest_path }) {
  const folder = path.dirname(manifest_path)
  const files = readdirSync(folder, { withFileTypes: true }).filter(
    (entry) => entry.isFile() && LICENCE_FILE.test(entry.name),
  )
  return files.map(({ name }) => readFileSync(path.join(folder, name), 'utf8').replace(/\r\n/g, '\n').trim())
}

/** Each text once, under the names of all crates that have it. */
export function notices(triple) {
  const holders = new Map()
  const bare = []
  for (const crate of linkedCrates(triple).crates) {
    const line = `${crate.name} ${crate.version} (${licenceOf(crate) ?? 'see its text'})`
    const found = texts(crate)
    if (found.length === 0) bare.push(`${line}${crate.authors.length > 0 ? `, by ${crate.authors.join(', ')}` : ''}`)
    for (const text of found) {
      const id = createHash('sha256').update(text.replace(/\s+/g, ' ')).digest('hex')
      const entry = holders.get(id) ?? { text, lines: [] }
      entry.lines.push(line)
      holders.set(id, entry)
    }
  }
  const rule = '='.repeat(80)
  const parts = [...holders.values()].map(({ text, lines }) => `${rule}\n${lines.join('\n')}\n${rule}\n\n${text}\n`)
  const rest = bare.length > 0 ? `${rule}\nPublished without a text of their licence:\n\n${bare.join('\n')}\n` : ''
  return `The binary of reliable-r2 contains these Rust crates, under these licences.\n\n${parts.join('\n')}\n${rest}`
}
