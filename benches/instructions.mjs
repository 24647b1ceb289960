// npm run task bench:instructions: how many instructions one upload takes in the core, by valgrind's callgrind. They repeat
// where times do not, so they guard against regressions: more than benches/instructions.json expects, beyond its
// tolerance, is a failure. `-- --update` writes what was counted into that file.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { giveUp, requireTools, root, run } from '../scripts/lib/prepare.mjs'

const expectationFile = path.join(root, 'benches', 'instructions.json')
const KIB = 1024

/** Named, so that what `npm run build` has compiled is used: it is the same code, optimized as it is published. */
const TARGET = 'x86_64-unknown-linux-gnu'

/** What is counted: arguments of `puts`, without the count. */
const cases = {
  'put of 1 KiB': [KIB],
  // What remains without breaker, pace, budget, turns, retries and metrics; and with all of these but the metrics.
  'its request alone': [KIB, '--operation'],
  'its request, behind the gate': [KIB, '--gate'],
  'put of 64 KiB': [64 * KIB],
  'bare hyper, 1 KiB': [KIB, '--baseline'],
}

/** The difference of two runs has neither the start of the program nor what is done once. */
const [FEW, MANY] = [50, 250]

function count(bytes, uploads, ...rest) {
  const folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-callgrind-'))
  try {
    const out = path.join(folder, 'out')
    const program = path.join(root, 'target', TARGET, 'release', 'puts')
    const args = ['--tool=callgrind', `--callgrind-out-file=${out}`, program, String(bytes), String(uploads), ...rest]
    const { status, stderr } = spawnSync('valgrind', args, { encoding: 'utf8' })
    if (status !== 0) giveUp(`valgrind ended with ${status}:\n${stderr}`)
    return Number(/^(?:summary|totals): (\d+)/m.exec(readFileSync(out, 'utf8'))[1])
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const perUpload = ([bytes, ...rest]) =>
  Math.round((count(bytes, MANY, ...rest) - count(bytes, FEW, ...rest)) / (MANY - FEW))

const target = `${process.platform}-${process.arch}`
const expected = JSON.parse(readFileSync(expectationFile, 'utf8'))
if (spawnSync('valgrind', ['--version']).status !== 0 || target !== expected.target) {
  console.error(`
*** SKIPPED: nothing guards the cost of an upload here. It takes valgrind (Debian: apt-get install valgrind) on
*** ${expected.target}; this is ${target}.
`)
  process.exit(0)
}

requireTools()
console.log('Building the program to count (some minutes the first time) ...')
await run('cargo', [
  'build',
  '--quiet',
  '--release',
  '--target',
  TARGET,
  '--package',
  'reliable-r2-benches',
  '--bin',
  'puts',
])
const rustc = spawnSync('rustc', ['--version'], { encoding: 'utf8' }).stdout.split(' ')[1]
const counted = Object.fromEntries(Object.entries(cases).map(([name, args]) => [name, perUpload(args)]))

if (process.argv.includes('--update')) {
  writeFileSync(expectationFile, `${JSON.stringify({ ...expected, rustc, instructions: counted }, null, 2)}\n`)
} else if (Object.keys(cases).some((name) => !(name in expected.instructions))) {
  console.table(counted)
  giveUp('benches/instructions.json does not say what is expected. Run `npm run task bench:instructions -- --update`.')
}
const more = []
for (const [name, instructions] of Object.entries(counted)) {
  const change = instructions / (expected.instructions[name] ?? instructions) - 1
  console.log(
    `${name.padEnd(30)} ${instructions.toLocaleString('en').padStart(12)} instructions, ${(change * 100).toFixed(1)} % more than expected`,
  )
  if (change > expected.tolerance) more.push(name)
  if (change < -expected.tolerance)
    console.log('  Fewer: keep that, with `npm run task bench:instructions -- --update`.')
}
if (more.length > 0 && !process.argv.includes('--update')) {
  const compiler = rustc === expected.rustc ? '' : ` (Counted with rustc ${rustc}, expected with ${expected.rustc}.)`
  giveUp(
    `More instructions than expected: ${more.join(', ')}.${compiler}\nIf they are worth it, run \`npm run task bench:instructions -- --update\` and say why in the commit.`,
  )
}
