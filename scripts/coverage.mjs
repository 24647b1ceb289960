// `npm run task coverage`: which lines of the modules that decide (retries, their classification, the URL guard, the plan of
// parts, the network's words) the Rust tests reach. Needs the toolchain's component llvm-tools.

import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { giveUp, hostTriple, read, requireTools, root, run } from './lib/prepare.mjs'
import { machine, table, writeSection } from './lib/verification.mjs'

const FILES = /^src\/(resilience\/|net\/|source\/url_guard\.rs|source\/version\.rs|transfer\/plan\.rs)/
const LEAST_PERCENT = 95

requireTools()
const sysroot = read('rustc', ['--print', 'sysroot']).trim()
const tool = (name) => path.join(sysroot, 'lib', 'rustlib', hostTriple(), 'bin', name)
if (!existsSync(tool('llvm-cov'))) giveUp('llvm-tools are missing: rustup component add llvm-tools')

const folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-coverage-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
// Only this crate is measured; what it depends on is taken as it was built.
const wrapper = path.join(folder, 'rustc')
writeFileSync(wrapper, '#!/bin/sh\nrustc=$1\nshift\nexec "$rustc" "$@" -Cinstrument-coverage\n', { mode: 0o755 })
const env = { ...process.env, RUSTC_WORKSPACE_WRAPPER: wrapper, LLVM_PROFILE_FILE: path.join(folder, '%p-%m.profraw') }
// All but those at the fault proxy, which cover several layers at once and take longest.
const tests = [
  'test',
  '--package',
  'reliable-r2',
  '--no-default-features',
  '--lib',
  ...['corpus', 'requests', 'retry_vectors', 'simulation'].flatMap((name) => ['--test', name]),
]

const built = read('cargo', [...tests, '--no-run', '--message-format=json'], env)
const programs = built
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line).executable)
  .filter(Boolean)
await run('cargo', tests, { env })
const profiles = readdirSync(folder)
  .filter((name) => name.endsWith('.profraw'))
  .map((name) => path.join(folder, name))
const merged = path.join(folder, 'all.profdata')
await run(tool('llvm-profdata'), ['merge', '--sparse', '--output', merged, ...profiles])
const objects = programs.slice(1).flatMap((program) => ['--object', program])
const { data } = JSON.parse(
  read(tool('llvm-cov'), ['export', '--summary-only', '--instr-profile', merged, programs[0], ...objects]),
)

const rows = data[0].files
  .map(({ filename, summary }) => ({ name: path.relative(root, filename).replaceAll('\\', '/'), ...summary.lines }))
  .filter(({ name }) => FILES.test(name) && !name.endsWith('_tests.rs'))
const sum = (field) => rows.reduce((all, row) => all + row[field], 0)
const total = {
  name: 'together',
  count: sum('count'),
  covered: sum('covered'),
  percent: (100 * sum('covered')) / sum('count'),
}
const report = table(
  ['file', 'lines', 'reached', 'percent'],
  [...rows, total].map(({ name, count, covered, percent }) => [name, count, covered, percent.toFixed(1)]),
)
console.log(report)
if (process.argv.includes('--lines'))
  await run(tool('llvm-cov'), [
    'show',
    '--instr-profile',
    merged,
    programs[0],
    ...objects,
    ...rows.map(({ name }) => path.join(root, name)),
    '--show-line-counts-or-regions',
    '--region-coverage-lt=100',
  ])
if (total.percent < LEAST_PERCENT) giveUp(`Less than ${LEAST_PERCENT} % of the lines are reached.`)
writeSection(
  'Coverage',
  `\`npm run task coverage\` runs the Rust tests but those at the fault proxy, instrumented, and shows which lines they reach \
of the modules that decide: at least ${LEAST_PERCENT} % together. A file's own unit tests count among its lines.

${report}

On ${new Date().toISOString().slice(0, 10)}; ${machine()}.`,
)
