// `npm run task mutants`: changes the code of the modules that decide (retries, their classification, the URL guard, the
// plan of parts), one change at a time, and looks whether their unit tests notice. Half an hour. Needs cargo-mutants.

import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { giveUp, requireTools, root } from './lib/prepare.mjs'
import { machine, table, writeSection } from './lib/verification.mjs'

const FILES = [
  'src/resilience/backoff.rs',
  'src/resilience/classify.rs',
  'src/resilience/retry.rs',
  'src/resilience/schedule.rs',
  'src/source/url_guard.rs',
  'src/transfer/plan.rs',
]
const LEAST_PERCENT = 90

/** Why a change that the tests do not notice is none that matters, by its place without line and column. */
const KNOWN = {
  'src/resilience/retry.rs: replace RetryObserver::on_phase with ()': 'does nothing already',
  'src/resilience/retry.rs: replace RetryObserver::on_failover with ()': 'does nothing already',
  "src/resilience/retry.rs: replace > with >= in Attempts<'a>::moved_on":
    'a schedule that nothing failed in is as a new one',
}

requireTools()
if (spawnSync('cargo', ['mutants', '--version'], { stdio: 'ignore' }).status !== 0)
  giveUp('cargo-mutants is missing: cargo install cargo-mutants --locked')
const out = path.join(root, 'target', 'mutants')
mkdirSync(out, { recursive: true })
// In a copy of the checkout, so that this one stays as it is. The tests at the fault proxy would take days.
const options = [
  '--no-default-features',
  '--cargo-arg=--lib',
  '--colors=never',
  '--output',
  out,
  ...FILES.flatMap((file) => ['--file', file]),
]
const environment = {
  ...process.env,
  CARGO_TARGET_DIR: path.join(out, 'build'),
  CARGO_PROFILE_DEV_DEBUG: '0',
  CARGO_PROFILE_TEST_DEBUG: '0',
}
const { status } = spawnSync('cargo', ['mutants', ...options], { cwd: root, stdio: 'inherit', env: environment })
// 2: some were not noticed; 3: some made a test run for ever, which is noticed.
if (![0, 2, 3].includes(status)) giveUp(`cargo mutants ended with ${status}`)

const { outcomes } = JSON.parse(readFileSync(path.join(out, 'mutants.out', 'outcomes.json'), 'utf8'))
const mutants = outcomes
  .filter(({ scenario }) => scenario.Mutant)
  .map(({ scenario, summary }) => ({ ...scenario.Mutant, summary }))
const compiled = mutants.filter(({ summary }) => summary !== 'Unviable')
const of = (file) => compiled.filter((mutant) => mutant.file === file)
const missed = (some) => some.filter(({ summary }) => summary === 'MissedMutant')
const percent = (some) => ((100 * (some.length - missed(some).length)) / some.length).toFixed(1)
const row = (name, some) => [name, some.length, some.length - missed(some).length, percent(some)]
const report = table(
  ['file', 'changes', 'noticed', 'percent'],
  [...FILES.map((file) => row(file, of(file))), row('together', compiled)],
)
const place = ({ name, file }) => name.replace(/^.*?:\d+:\d+: /, `${file}: `)
const survivors = missed(compiled).map(
  (mutant) => `- \`${mutant.name}\`: ${KNOWN[place(mutant)] ?? '**no reason is known**'}`,
)
console.log(`${report}\n\n${survivors.join('\n')}`)
if (percent(compiled) < LEAST_PERCENT) giveUp(`Fewer than ${LEAST_PERCENT} % are noticed.`)
writeSection(
  'Mutants',
  `\`npm run task mutants\` changes the code of the modules that decide, one change at a time, and looks whether their unit tests \
notice: at least ${LEAST_PERCENT} %. A change that does not compile is none (${mutants.length - compiled.length} of ${mutants.length}).

${report}

${survivors.length === 0 ? 'None was left unnoticed.' : `Not noticed:\n\n${survivors.join('\n')}`}

On ${new Date().toISOString().slice(0, 10)}; ${machine()}.`,
)
