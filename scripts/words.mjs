// `npm run task words`: words that this project replaces by the field's standard terms, in all its text. A line may be
// exempted with its reason, on the line or the one before: `words-allow: what the word means here`.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.join(import.meta.dirname, '..')

const PACKED = /\b(?:un)?packed\b|\bpacking\b/i

/** What is replaced, and by what. */
export const WORDS = [
  [/\banswer(?:s|ed|ing)?\b/i, 'response (HTTP), result (call), respond, return'],
  [/\bcalled[ _]?off\b|\bcall(?:s|ing)? (?:it )?off\b/i, 'aborted, cancelled'],
  [PACKED, 'compressed, decompressed, encoded'],
  [/\btold\b|\btells?\b|\btelling\b/i, 'reported, notified, emits, shows, says which'],
  [/\bhears?\b|\bheard\b|\bhearing\b/i, 'is notified, received, observed'],
  [/\bleave to\b|\bgive leave\b|\bgave leave\b/i, 'permit, permission'],
  [/\bverbs?\b/i, 'operation, method'],
  [/\bnouns?\b/i, 'type'],
  [/\bseam\b/i, 'N-API boundary'],
  [/\bnative part\b/i, 'addon'],
  [/\bstrangers?\b/i, 'untrusted'],
  [/(?<!\.)\bfloors?\b/i, 'layer; baseline'],
  [/\bhouse\b/i, 'crate, package'],
  [/\brooms?\b/i, 'module; capacity'],
  [/\bgo(?:es)? on\b|\bwent on\b|\bgone on\b|\bgoing on\b/i, 'continue, resume, fail over'],
  [/\blook(?:ed|s|ing)? for\b/i, 'verify, probe, search'],
  [/\bworth a look\b|\bis_worth_a_look\b/i, 'should verify'],
  [/\bmend(?:s|ed|ing)?\b/i, 'fix'],
  [/\bmoved_on\b/i, 'reset_after_progress'],
  [/\bdispel\b|\bdoubt\b/i, 'disarm; stale-connection guard'],
  [/\blaborator(?:y|ies)\b/i, 'local R2 and fault proxy; fault matrix'],
]

/** A tarball is packed, whatever is compressed. */
const OF_NPM_PACK = /^(scripts\/release\/|docs\/releasing\.md|\.github\/workflows\/release\.yml)/

/** Generated, or of the past. */
const LEFT_OUT =
  /^(CHANGELOG\.md|package-lock\.json|Cargo\.lock|fuzz\/Cargo\.lock|scripts\/words\.mjs|native\.d\.ts|deny\.toml|LICENSE|docs\/reports\/)|\.generated\.|package-lock\.json$|\/corpus\//

const TEXT = /\.(rs|js|mjs|cjs|ts|mts|tsx|css|html|md|yml|toml|json|txt)$/

/** In all text of the repository. */
export function findings() {
  const files = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).split('\n')
  return files
    .filter((file) => TEXT.test(file) && !LEFT_OUT.test(file) && existsSync(path.join(root, file)))
    .flatMap((file) => findingsIn(file, readFileSync(path.join(root, file), 'utf8')))
}

export function findingsIn(file, text) {
  const lines = text.split('\n')
  return lines.flatMap((line, index) => {
    if (/words-allow: \S/.test(line) || /words-allow: \S/.test(lines[index - 1] ?? '')) return []
    return WORDS.filter(([pattern]) => pattern !== PACKED || !OF_NPM_PACK.test(file)).flatMap(([pattern, better]) => {
      const [word] = pattern.exec(separated(line)) ?? []
      return word ? [{ file, line: index + 1, word, better, text: line.trim() }] : []
    })
  })
}

/** Identifiers as words: `calledOff` and `is_told`. */
function separated(line) {
  return line.replaceAll(/([a-z])([A-Z])/g, '$1 $2').replaceAll('_', ' ')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const all = findings()
  if (process.argv.includes('--count')) {
    const counts = new Map()
    for (const { word } of all) counts.set(word.toLowerCase(), (counts.get(word.toLowerCase()) ?? 0) + 1)
    for (const [word, count] of [...counts].sort(([, a], [, b]) => b - a))
      console.log(`${String(count).padStart(5)} ${word}`)
  } else {
    for (const { file, line, word, better, text } of all)
      console.log(`${file}:${line}: '${word}': write ${better}\n    ${text.slice(0, 160)}`)
  }
  console.log(`${all.length} found`)
  process.exitCode = all.length > 0 ? 1 : 0
}
