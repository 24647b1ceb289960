// Which rows of the catalogue run, and whether the tests that stand in for others are there and pass.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { giveUp, root } from './prepare.mjs'

/** The rows of a run, and what of them runs where. */
export function pickRows(families, { quick, named }) {
  const all = families.flatMap((family) => family.rows)
  const unknown = named.filter((name) => !all.some((row) => row.id === name))
  if (unknown.length > 0) giveUp(`There is no row ${unknown.join(', ')}.`)
  const rows = named.length > 0 ? all.filter((row) => named.includes(row.id)) : all
  const jobsOf = (wanted) =>
    rows.flatMap(({ id, cases = [] }) => {
      const chosen = cases.flatMap((test, index) => (wanted(test) && !(quick && test.slow) ? [index] : []))
      return chosen.length > 0 ? [{ id, cases: chosen }] : []
    })
  return { rows, jobs: jobsOf((test) => !test.network), networkJobs: jobsOf((test) => test.network) }
}

/**
 * For each row that a test stands in for: what is wrong with that, or nothing. With `run`, the tests are run; without,
 * they have only to be there, for `npm test` runs them.
 */
export async function verifyCovered(rows, { run }) {
  const standIns = rows.filter((row) => row.covered)
  const problems = new Map()
  for (const { id, covered } of standIns) {
    const text = readFileSync(path.join(root, covered.file), 'utf8')
    const declared = covered.file.endsWith('.rs')
      ? text.includes(`fn ${covered.test}(`)
      : text.includes(`test('${covered.test}'`) || text.includes(`test(\`${covered.test}\``)
    if (!declared) problems.set(id, `there is no test "${covered.test}" in ${covered.file}`)
  }
  if (!run) return problems
  const passed = new Set([...rustTests(standIns), ...nodeTests(standIns)])
  for (const { id, covered } of standIns) {
    if (!problems.has(id) && ![...passed].some((name) => pattern(covered.test).test(name)))
      problems.set(id, `"${covered.test}" did not pass`)
  }
  return problems
}

/** What a test's name is like, as it stands in the source: `${n} times` is any number of them. */
function pattern(name) {
  const pieces = name.split(/\$\{[^}]*\}/).map((piece) => piece.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${pieces.join('.*')}$`)
}

function rustTests(standIns) {
  const names = standIns.filter(({ covered }) => covered.file.endsWith('.rs')).map(({ covered }) => covered.test)
  if (names.length === 0) return []
  const { stdout } = spawnSync(
    'cargo',
    ['test', '--package', 'reliable-r2', '--no-default-features', '--', ...new Set(names)],
    { cwd: root, encoding: 'utf8' },
  )
  return [...stdout.matchAll(/^test (?:\S+::)?(\w+) \.\.\. ok$/gm)].map(([, name]) => name)
}

function nodeTests(standIns) {
  const of = standIns.filter(({ covered }) => covered.file.endsWith('.js'))
  if (of.length === 0) return []
  const patterns = [...new Set(of.map(({ covered }) => `--test-name-pattern=${pattern(covered.test).source}`))]
  const files = [...new Set(of.map(({ covered }) => covered.file))]
  const { stdout } = spawnSync(process.execPath, ['--test', '--test-reporter=tap', ...patterns, ...files], {
    cwd: root,
    encoding: 'utf8',
  })
  return [...stdout.matchAll(/^ *ok \d+ - (.*?)(?: #.*)?$/gm)].map(([, name]) => name.replaceAll('\\#', '#'))
}
