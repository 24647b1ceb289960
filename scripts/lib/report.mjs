// A page of docs/reports, and beside it the numbers that it shows, as data.

import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { root } from './prepare.mjs'

/** @param data what `page` makes the page of, and all that it shows of this run */
export function writeReport(name, data, page) {
  const folder = path.join(root, 'docs', 'reports')
  mkdirSync(path.join(folder, 'data'), { recursive: true })
  writeFileSync(path.join(folder, 'data', `${name}.json`), `${JSON.stringify(data, null, 1)}\n`)
  writeFileSync(path.join(folder, `${name}.md`), page(data))
  console.log(`Written: docs/reports/${name}.md and docs/reports/data/${name}.json`)
}
