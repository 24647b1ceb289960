'use strict'

// The counterpart of tests/architecture.rs for JavaScript: which folder may import which, no cycles, no long files.

const assert = require('node:assert/strict')
const { readFileSync, readdirSync } = require('node:fs')
const path = require('node:path')
const test = require('node:test')

const root = path.join(__dirname, '..', '..')
const MAX_LINES = 500

/** A folder of lib/ and the folders that it may import, besides itself and the modules at the top of lib/. */
const FOLDERS = {
  native: [],
  input: ['native'],
  observability: ['input', 'native'],
  alerts: [],
  dashboard: ['input', 'native', 'observability'],
  testing: [],
  cli: ['input', 'native', 'observability'],
}

/** What a folder that must not need the addon may import from the top of lib/. */
const WITHOUT_ADDON = ['own-properties.js', 'safe-callback.js', 'printable.js']

const files = readdirSync(path.join(root, 'lib'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.m?js$/.test(entry.name) && !entry.name.includes('.generated.'))
  .map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)).replaceAll(path.sep, '/'))
  .filter((file) => !file.startsWith('lib/dashboard/page/'))

const textOf = (file) => readFileSync(path.join(root, file), 'utf8')

function importsOf(file) {
  const specifiers = textOf(file).matchAll(/(?:require\(|from |import )'(\.[^']+)'/g)
  return [...specifiers].map(([, specifier]) => path.posix.join(path.posix.dirname(file), specifier))
}

const folderOf = (file) => file.match(/^lib\/([^/]+)\//)?.[1]

test('every folder of lib is in the table of folders', () => {
  const folders = new Set(files.map(folderOf).filter(Boolean))
  assert.deepEqual([...folders].sort(), Object.keys(FOLDERS).sort())
})

test('a folder imports itself, the top of lib and the folders below it', () => {
  const wrong = []
  for (const file of files) {
    const folder = folderOf(file)
    if (!folder) continue
    for (const imported of importsOf(file)) {
      const target = folderOf(imported)
      if (target && target !== folder && !FOLDERS[folder].includes(target)) wrong.push(`${file} -> ${imported}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('alerts and testing work without the addon', () => {
  const wrong = files
    .filter((file) => ['alerts', 'testing'].includes(folderOf(file)))
    .flatMap((file) => importsOf(file).map((imported) => [file, imported]))
    .filter(([, imported]) => !folderOf(imported) && !WITHOUT_ADDON.includes(path.posix.basename(imported)))
  assert.deepEqual(wrong, [])
})

test('no module of lib imports itself by way of others', () => {
  const done = new Set()
  const cycles = []
  const visit = (file, trail) => {
    if (trail.includes(file)) return void cycles.push([...trail.slice(trail.indexOf(file)), file].join(' -> '))
    if (done.has(file) || !files.includes(file)) return
    for (const imported of importsOf(file)) visit(imported, [...trail, file])
    done.add(file)
  }
  for (const file of files) visit(file, [])
  assert.deepEqual(cycles, [])
})

test(`no file has more than ${MAX_LINES} lines`, () => {
  const long = files.filter((file) => textOf(file).split('\n').length - 1 > MAX_LINES)
  assert.deepEqual(long, [])
})
