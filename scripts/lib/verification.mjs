// docs/reports/verification.md: the last report of each long check, a section for each.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { cpus, totalmem } from 'node:os'
import { root } from './prepare.mjs'

const page = path.join(root, 'docs', 'reports', 'verification.md')
const HEAD = `# Verification

The last reports of the checks that take too long for every commit. Each section is written by the command that it names.
`

/** Puts a section in its place, or at the end; the others stay as they are. */
export function writeSection(title, text) {
  const old = existsSync(page) ? readFileSync(page, 'utf8') : HEAD
  const section = `## ${title}\n\n${text.trim()}\n`
  const [head, ...sections] = old.split(/^(?=## )/m)
  const place = sections.findIndex((it) => it.startsWith(`## ${title}\n`))
  if (place < 0) sections.push(section)
  else sections[place] = section
  writeFileSync(page, `${[head, ...sections].map((part) => part.trim()).join('\n\n')}\n`)
}

export const table = (heads, rows) =>
  [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

/** Where it was measured. */
export const machine = () =>
  `Node.js ${process.versions.node}, ${process.platform}-${process.arch}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`
