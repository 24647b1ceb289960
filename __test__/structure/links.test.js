'use strict'

const assert = require('node:assert/strict')
const { existsSync, readFileSync } = require('node:fs')
const { execFileSync } = require('node:child_process')
const path = require('node:path')
const test = require('node:test')

const root = path.join(__dirname, '..', '..')
const read = (file) => readFileSync(path.join(root, file), 'utf8')
const tracked = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter((file) => existsSync(path.join(root, file)))

/** As GitHub makes them of headings. */
const anchorOf = (heading) =>
  heading
    .toLowerCase()
    .replace(/[`*_]/g, '')
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')

test('links of pages lead to files and headings that exist', () => {
  const broken = []
  for (const file of tracked.filter((name) => name.endsWith('.md'))) {
    for (const [, link] of read(file)
      .replace(/```[^]*?```/g, '')
      .matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue
      const [place, anchor] = link.split('#')
      const target = place ? path.posix.join(path.posix.dirname(file), place) : file
      const exists = existsSync(path.join(root, target))
      const headings =
        anchor && exists ? [...read(target).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading)) : [anchor]
      if (!exists || !headings.includes(anchor)) broken.push(`${file}: ${link}`)
    }
  }
  assert.deepEqual(broken, [])
})

test('paths of source files in pages and comments exist', () => {
  const broken = []
  for (const file of tracked.filter(
    (name) => /\.(md|js|mjs|rs|ts)$/.test(name) && !name.includes('generated') && name !== 'CHANGELOG.md',
  )) {
    for (const [, named] of read(file).matchAll(
      /(?<![\w./-])((?:src|lib|docs|scripts|tests|__test__)\/[\w./-]+\.(?:rs|js|mjs|md|ts|yml))(?![\w-])/g,
    )) {
      if (!existsSync(path.join(root, named)) && !existsSync(path.join(root, path.dirname(file), named)))
        broken.push(`${file}: ${named}`)
    }
  }
  assert.deepEqual(broken, [])
})

test('every task has its script, and every task that is named exists', () => {
  const table = read('scripts/run.mjs')
  const tasks = [...table.matchAll(/^ {4}'?([\w:-]+)'?: \['([^']+)'/gm)].map(([, name, script]) => [name, script])
  assert.ok(tasks.length > 20)
  for (const [name, script] of tasks) assert.ok(existsSync(path.join(root, 'scripts', script)), `${name}: ${script}`)
  const names = new Set(tasks.map(([name]) => name))
  const unknown = []
  for (const file of tracked.filter((name) => /\.(md|js|mjs|yml|rs|toml)$/.test(name) || name === '.ci/run')) {
    for (const [, name] of read(file).matchAll(/npm run (?:-s |--silent )?task ([a-z][\w-]*(?::[a-z]\w*)?)/g))
      if (!names.has(name)) unknown.push(`${file}: ${name}`)
    const npm = JSON.parse(read('package.json')).scripts
    for (const [, name] of read(file).matchAll(/(?<!\w)npm run (?!-)([a-z][\w-]*(?::[a-z]\w*)?)/g))
      if (!Object.hasOwn(npm, name) && file !== 'CHANGELOG.md') unknown.push(`${file}: npm run ${name}`)
  }
  assert.deepEqual(unknown, [])
})

test("decision records are numbered and have a status, a date and Nygard's sections", () => {
  const records = tracked.filter((file) => file.startsWith('docs/adr/'))
  records.forEach((file, index) => {
    const number = String(index + 1).padStart(4, '0')
    assert.ok(file.startsWith(`docs/adr/${number}-`), file)
    assert.match(
      read(file),
      new RegExp(
        `^# ${number}\\. .+\n\n- Status: .+\n- Date: \\d{4}-\\d{2}-\\d{2}\n\n## Context\n[^]+\n## Decision\n[^]+\n## Consequences\n`,
      ),
      file,
    )
  })
})
