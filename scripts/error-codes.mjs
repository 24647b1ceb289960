// `npm run task errors`: makes docs/errors.md from what the dashboard and `doctor` advise (lib/observability/remediation.js).

import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import api from '../index.js'
import { BY_CODE } from '../lib/observability/remediation.js'

export const file = path.join(import.meta.dirname, '..', 'docs', 'errors.md')

const isOurs = (code) => code.startsWith('ERR_') && !/^ERR_(SSL|TLS)_/.test(code)

const SECTIONS = [
  ['Codes of this package', isOurs],
  ['Codes of Node.js: network and TLS', (code) => code === code.toUpperCase()],
  ['Codes of the storage', () => true],
]

/** Those that share their advice, in the order of their first code. */
function groups() {
  const codesOf = new Map()
  for (const [code, advice] of Object.entries(BY_CODE)) codesOf.set(advice, [...(codesOf.get(advice) ?? []), code])
  const all = [...codesOf].map(([advice, codes]) => ({ ...advice, codes }))
  return all.sort((a, b) => (a.codes[0] < b.codes[0] ? -1 : 1))
}

function entry({ codes, means, steps }) {
  return `### ${list(codes)}\n\n${[means, ...retries(codes)].join(' ')}\n\n${steps.map((step) => `- ${step}`).join('\n')}\n`
}

/** Of our own codes it depends on the failure, and `error.retryable` says so. */
function retries(codes) {
  if (codes.some(isOurs)) return []
  const retried = codes.filter((code) => api.isRetryableError({ code }))
  if (retried.length === 0) return ['Not retried.']
  return [retried.length < codes.length ? `Retried: ${list(retried)}.` : 'Retried.']
}

const list = (codes) => codes.map((code) => `\`${code}\``).join(', ')

export function page() {
  const left = groups()
  const sections = SECTIONS.map(([title, belongs]) => {
    const here = left.filter(({ codes }) => belongs(codes[0]))
    for (const group of here) left.splice(left.indexOf(group), 1)
    return `## ${title}\n\n${here.map(entry).join('\n')}`
  })
  return `<!-- Made by npm run task errors from lib/observability/remediation.js; do not edit. -->

# Error codes

What an error\u2019s \`code\` means, and what to do. \`error.retryable\` says whether the same call may succeed later. A response
without a code has that of its status, such as \`HTTP_502\`: 408, 429, 5xx and the edge\u2019s 52x are retried, other 4xx are not.
Messages of Next.js are in [Troubleshooting](troubleshooting.md).

${sections.join('\n')}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(file, page())
