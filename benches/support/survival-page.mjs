// docs/reports/fault-tolerance.md, from what was counted.

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { root } from '../../scripts/lib/prepare.mjs'

const percent = (share, digits = 3) => `${Number((share * 100).toFixed(digits))} %`
const versionOf = (folder) => JSON.parse(readFileSync(path.join(root, folder, 'package.json'), 'utf8')).version

/** What `k` attempts give that fail by chance alone, each with probability `p`. */
const theory = ({ rate, attempts }) => 1 - rate ** attempts

function row(outcome) {
  const { name, rate, count, succeeded, lost, falseSuccesses, falseFailures, attemptsPerUpload, p50Ms, p99Ms } = outcome
  const cells = [
    percent(rate),
    name,
    count,
    percent(succeeded / count),
    percent(theory(outcome), 5),
    lost === 0 ? '**0**' : lost,
    falseSuccesses,
    falseFailures,
    attemptsPerUpload.toFixed(2),
    Math.round(p50Ms),
    Math.round(p99Ms),
  ]
  return `| ${cells.join(' | ')} |`
}

/** Why uploads were lost, most frequent first. */
function losses(rows) {
  const lines = rows
    .filter(({ reasons }) => Object.keys(reasons).length > 0)
    .map(({ rate, name, reasons }) => {
      const sorted = Object.entries(reasons).sort(([, a], [, b]) => b - a)
      return `- ${percent(rate)}, ${name}: ${sorted.map(([reason, times]) => `${reason} ${times}`).join(', ')}`
    })
  return lines.length === 0 ? 'None was lost.' : lines.join('\n')
}

export function page({ rows, concurrency, timeoutMs }) {
  const seeds = [...new Map(rows.map(({ rate, seed }) => [rate, seed]))]
  const aws = versionOf('benches/node_modules/@aws-sdk/client-s3')
  return `# What survives

Uploads of 4 KiB to a local R2 behind the fault proxy, ${concurrency} at once, while a share of the requests meets a fault. A
request's fault depends on the seed, the key and the number of the attempt alone, so every client meets the same ones
in the same places.

| faults | client | uploads | stored | theory | lost | false successes | false failures | attempts per upload | p50 ms | p99 ms |
|---|---|---|---|---|---|---|---|---|---|---|
${rows.map(row).join('\n')}

- **stored**: uploads of which the caller was informed that they succeeded. **theory**: 1 − p^k for k attempts that fail by
  chance with probability p; \`persistent\` may take 50 attempts within its deadline.
- **lost**: the caller was informed that it failed. **false failure**: one of those that is stored all the same, because an
  response was what got lost; reliable-r2 asks with a HEAD before it says so. **false success**: the caller was informed that it is stored, and other bytes or
  none are. After each run every object on the server's disk is compared with what was sent.
- **p50, p99**: from the call to its success, in milliseconds.

None lost in n uploads means a rate of loss below 3/n with 95 % confidence: 0.1 % for 3,000.

## The faults

Of a hundred faults, 15 end the connection before the response (half by a reset, half in order), 15 reset it in the
middle of the body, 25 are a 500, 502, 503 or 504, 5 are a 429 with \`Retry-After\` 0 or 1, 10 store the object and lose the
response, 5 never respond, 5 stop reading in the middle of the body, 5 respond with 503 before the body was read and close, 5
respond with garbage or half a head, 5 are a 400 \`IncompleteBody\` or \`ClientDisconnect\`, and 5 cut a TLS handshake, on the
TLS port only; the table is of the plain one. The numbers are data in \`lab/src/mix.rs\`.

## The clients

Times are scaled so that a hang costs ${timeoutMs} ms and not a minute: \`timeout: ${timeoutMs}, initialDelayMs: 2, maxDelayMs: 50\`, and
\`deadlineMs: 30000\` for \`persistent\`; everything else is the presets'. A 429 is followed by a wait of a second or more,
which is R2's rule and does not scale; it is most of p99.

@aws-sdk/client-s3 ${aws} has \`connectionTimeout\` and \`requestTimeout\` of ${timeoutMs} ms, with \`throwOnRequestTimeout\`, and its own
waits (from 50 ms). It is one client for the whole run, as an app has it, and so one retry budget: a bucket of 500
tokens of which a retry takes 14 (5 after a response that asks for less), and to which a success gives back what its last retry
took, or 1. The more requests fail, the fewer are tried again. Why uploads were lost, by the last error's code or name:

${losses(rows)}

## Reproduce

\`\`\`sh
npm run task bench:survival             # writes this page; fails if \`persistent\` loses an upload
npm run task bench:survival -- --quick  # a tenth of the uploads; prints only
\`\`\`

Seeds: ${seeds.map(([rate, seed]) => `${percent(rate)}: ${seed}`).join(', ')}. \`__test__/faults/survival.test.js\` runs 300 uploads at each rate in \`npm test\`.
`
}
