// `npm run task alerts`: makes docs/operations/alerts.yml from the numbers of lib/alerts/standard.js.

import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import standard from '../lib/alerts/standard.js'

const { MIN_CALLS, OPERATIONS, STANDARD } = standard
export const file = path.join(import.meta.dirname, '..', 'docs', 'operations', 'alerts.yml')

const operations = `operation=~"${OPERATIONS.join('|')}"`
const calls = (outcome) =>
  `reliable_r2_calls_total{${operations}, outcome${outcome.includes('|') ? '=~' : '='}"${outcome}"}`
const over = (what, series, by = 'job, operation') => `sum by (${by}) (${what}(${series}[5m]))`
const ofAtLeast = (series) => `and\n${over('increase', series)}\n  >= ${MIN_CALLS}`

const { successRate, failures, retryRate, p99Ms, breaker } = STANDARD
const rules = [
  {
    ...successRate,
    expression: `${over('rate', calls('succeeded'))}
  /
${over('rate', calls('succeeded|failed'))}
  < ${successRate.threshold}
${ofAtLeast(calls('succeeded|failed'))}`,
    summary:
      '"Uploads fail: {{ $value | humanizePercentage }} of {{ $labels.operation }} of {{ $labels.job }} succeed"',
    description: `Less than ${successRate.threshold * 100} % of the calls of the last five minutes succeeded, retries included.`,
  },
  {
    ...failures,
    expression: `${over('increase', calls('failed'))}\n  > ${failures.threshold}`,
    summary: '"{{ $value | humanize }} calls of {{ $labels.operation }} of {{ $labels.job }} failed in five minutes"',
    description: `More than ${failures.threshold} calls failed for good, whatever share of all they are.`,
  },
  {
    ...retryRate,
    expression: `${over('rate', `reliable_r2_retries_total{${operations}}`)}
  /
${over('rate', `reliable_r2_attempts_total{${operations}}`)}
  > ${retryRate.threshold}
${ofAtLeast(`reliable_r2_attempts_total{${operations}}`)}`,
    summary:
      '"{{ $value | humanizePercentage }} of the attempts of {{ $labels.operation }} of {{ $labels.job }} are repeated"',
    description: `More than ${retryRate.threshold * 100} % of the attempts of the last five minutes failed and were followed by another.`,
  },
  {
    ...p99Ms,
    expression: `histogram_quantile(0.99, ${over('rate', `reliable_r2_call_duration_seconds_bucket{${operations}}`, 'job, operation, le')})
  > ${p99Ms.threshold / 1000}
${ofAtLeast(`reliable_r2_call_duration_seconds_count{${operations}}`)}`,
    summary:
      '"One call in a hundred of {{ $labels.operation }} of {{ $labels.job }} takes {{ $value | humanizeDuration }} or longer"',
    description: `The 99th percentile of whole calls, waits and retries included, is above ${p99Ms.threshold / 1000} seconds.`,
  },
  {
    ...breaker,
    expression: 'max by (job, endpoint, bucket, role) (reliable_r2_breaker_state{state=~"open|half_open"})\n  == 1',
    summary: '"The circuit breaker of {{ $labels.endpoint }} is open in {{ $labels.job }}"',
    description:
      'The {{ $labels.role }} endpoint did not respond at all. Calls wait for it, fail over, or fail at once.',
  },
]

const indented = (text, by) => text.replaceAll(/^(?=.)/gm, ' '.repeat(by))

function written({ alert, expression, severity, summary, description, for: lasting }) {
  return `- alert: ${alert}
  expr: |
${indented(expression, 4)}
${lasting ? `  for: ${lasting}\n` : ''}  labels:
    severity: ${severity}
  annotations:
    summary: ${summary}
    description: ${description.startsWith('{') || description.includes('{{') ? `"${description}"` : description}
    runbook_url: runbooks/${alert}.md
`
}

export function makeAlerts() {
  return `# Made by \`npm run task alerts\` from lib/alerts/standard.js; edit that.
#
# Prometheus rules for reliable-r2, over the metrics of \`storage.metricsText()\`. They alert about what the standard rules
# of \`reliable-r2/alerts\` alert about. Load them with \`rule_files\`; runbook_url is relative to this folder, so put in
# front of it where you keep the runbooks.
groups:
  - name: reliable-r2
    rules:
${rules.map((rule) => indented(written(rule), 6)).join('\n')}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(file, makeAlerts())
