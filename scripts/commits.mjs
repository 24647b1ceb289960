// `npm run task commits`: subjects of the commits since this check exists: imperative, at most 72 characters.

import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.join(import.meta.dirname, '..')

/** The last commit before the check. */
const BEFORE = 'fa2fe2d217e9'

const MAX_SUBJECT_LENGTH = 72

/** First words that end like another form of the word, and are imperatives. */
const IMPERATIVES = new Set([
  'Address',
  'Bring',
  'Compress',
  'Discuss',
  'Embed',
  'Exceed',
  'Express',
  'Feed',
  'Need',
  'Pass',
  'Ping',
  'Press',
  'Proceed',
  'Process',
  'Seed',
  'Speed',
  'Stress',
  'String',
  'Suppress',
])

/** What is wrong with a subject. */
export function faults(subject) {
  const [first] = subject.split(' ')
  const found = []
  if (subject.length > MAX_SUBJECT_LENGTH)
    found.push(`has ${subject.length} characters; write at most ${MAX_SUBJECT_LENGTH}`)
  if (/\.$/.test(subject)) found.push('ends with a full stop')
  if (!/^[A-Z][a-z]+(?:-[a-z]+)?$/.test(first))
    found.push(`begins with '${first}'; begin with a capitalized imperative`)
  else if (/(?:ed|ing|[^s]s)$/.test(first) && !IMPERATIVES.has(first))
    found.push(`begins with '${first}'; use the imperative`)
  return found
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const git = (...given) =>
    execFileSync('git', given, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  if (git('rev-parse', '--is-shallow-repository').trim() === 'true') {
    console.error(
      'This clone is shallow: fetch the whole history (git fetch --unshallow), so that its commits can be checked.',
    )
    process.exit(1)
  }
  const commits = git('log', '--no-merges', '--format=%h %s', `${BEFORE}..HEAD`).split('\n').filter(Boolean)
  const wrong = commits.flatMap((line) => {
    const [hash, ...words] = line.split(' ')
    return faults(words.join(' ')).map((fault) => `${hash} ${fault}\n    ${words.join(' ')}`)
  })
  for (const line of wrong) console.error(line)
  console.log(`${commits.length} commit subjects checked, ${wrong.length} faults`)
  process.exitCode = wrong.length > 0 ? 1 : 0
}
