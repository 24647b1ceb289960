// docs/reports/comparison.md, from what was counted.

import { readFileSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { table } from '../../scripts/lib/verification.mjs'
import { root } from '../../scripts/lib/prepare.mjs'
import { CHANCE, OUTAGE_MS, WITHIN_MS, faultClasses, loads } from './peers-plan.mjs'
import { clients } from './peers-clients.mjs'

const percent = (share) => `${Math.round(share * 100)} %`
const ms = (number) => (number === null ? '–' : String(Math.round(number)))
const versionOf = (name) =>
  JSON.parse(readFileSync(path.join(root, 'benches', 'node_modules', name, 'package.json'), 'utf8')).version
const isOurs = ({ client }) => client.startsWith('reliable-r2')

/** Success by client and fault. A false success is marked: it is worse than a failure. */
function overview(rows, load) {
  const faults = faultClasses.filter(({ name }) => rows.some((row) => row.fault === name && row.load === load))
  const names = clients
    .map(({ name }) => name)
    .filter((name) => rows.some((row) => row.client === name && row.load === load))
  const cell = (fault, client) => {
    const row = rows.find((one) => one.fault === fault && one.client === client && one.load === load)
    if (!row || row.broken) return row ? 'broken' : '–'
    const sound = percent((row.succeeded - row.falseSuccesses) / row.count)
    return row.falseSuccesses > 0 ? `${sound} **(${row.falseSuccesses} false)**` : sound
  }
  return table(
    ['', ...names],
    faults.map(({ name, title }) => [title, ...names.map((client) => cell(name, client))]),
  )
}

function details(rows, fault) {
  const of = rows.filter((row) => row.fault === fault.name && !row.broken)
  const head = [
    'client',
    'objects',
    'reported stored',
    'false successes',
    'false failures',
    'other bytes stored',
    'no end',
    'leaked',
    'requests each',
    'p50 ms',
    'p99 ms',
  ]
  const order = ({ client, load }) => [
    Object.keys(loads).indexOf(load),
    clients.findIndex(({ name }) => name === client),
  ]
  const sorted = [...of].sort((a, b) => order(a)[0] - order(b)[0] || order(a)[1] - order(b)[1])
  const lines = sorted.map((row) => [
    row.client,
    `${row.count} × ${loads[row.load].title}`,
    percent(row.succeeded / row.count),
    row.falseSuccesses,
    row.falseFailures,
    row.corrupted,
    row.unsettled,
    row.leaked ?? '–',
    row.requestsPerUpload.toFixed(2),
    ms(row.p50Ms),
    ms(row.p99Ms),
  ])
  return `### ${fault.title}\n\n${table(head, lines)}`
}

/** Where somebody else's client did better than ours as it comes, in what counts; and where it was done sooner. */
function betterThanUs(rows) {
  const sound = (row) => row.succeeded - row.falseSuccesses
  const [better, sooner] = [[], []]
  for (const fault of faultClasses) {
    for (const load of Object.keys(loads)) {
      const here = rows.filter((row) => row.fault === fault.name && row.load === load && !row.broken)
      const us = here.find(({ client }) => client === 'reliable-r2')
      if (!us) continue
      const what = `${fault.title}, ${loads[load].title}`
      const them = here.filter((row) => !isOurs(row))
      for (const row of them) {
        const how = [
          sound(row) > sound(us) && `${sound(row)} of ${row.count} stored, ours ${sound(us)}`,
          row.falseFailures < us.falseFailures &&
            sound(row) >= sound(us) &&
            `${row.falseFailures} false failures, ours ${us.falseFailures}`,
          row.leaked < us.leaked && `${row.leaked} requests left over, ours ${us.leaked}`,
        ].filter(Boolean)
        if (how.length > 0)
          better.push(
            `- ${what}, ${row.client}: ${how.join('; ')}; ${row.requestsPerUpload.toFixed(2)} requests each, ours ${us.requestsPerUpload.toFixed(2)}.`,
          )
      }
      const early = them.filter((row) => sound(row) >= sound(us) && row.p99Ms !== null && row.p99Ms < us.p99Ms / 2)
      // Without a fault it is speed, which a busy machine does not show.
      if (fault.rule && us.p99Ms > 1000 && early.length > 0) {
        sooner.push(
          `- ${what}, ours ${ms(us.p99Ms)} ms: ${early.map(({ client, p99Ms }) => `${client} ${ms(p99Ms)}`).join(', ')}.`,
        )
      }
    }
  }
  const list = (lines) => (lines.length === 0 ? 'Nowhere in this run.' : lines.join('\n'))
  return { better: list(better), sooner: list(sooner) }
}

/** An addon of the dev profile is many times as large as the one that is published. */
function isUnoptimized() {
  const addon = readdirSync(root).find((name) => name.endsWith('.node'))
  return statSync(path.join(root, addon)).size > 30 * 1024 * 1024
}

export function page(measured) {
  const rows = measured.filter(({ unavailable }) => !unavailable)
  const absent = measured
    .filter(({ unavailable }) => unavailable)
    .map(({ client, unavailable }) => `${client} did not load here (${unavailable}).`)
  const there = clients.filter(({ name }) => rows.some(({ client }) => client === name))
  const versions = [...new Set(there.flatMap((client) => client.package ?? []))].map(
    (name) => `${name} ${versionOf(name)}`,
  )
  const { better, sooner } = betterThanUs(rows)
  return `# Beside the peers

The same uploads under the same faults, one kind of fault at a time, by this package and by what people would use instead.
${percent(CHANCE)} of the requests meet the fault; for two kinds it is ${percent(CHANCE)} of the connections, and in one nobody listens for the first
${OUTAGE_MS} ms. Which of the requests for a key meet it depends on a seed, so every client meets the same.

Shares of uploads that are reported as stored to the caller, and that are. **(n false)**: so many were reported to be stored, and other
bytes or none are.

## ${loads.small.count} objects of ${loads.small.title}, all at once

${overview(rows, 'small')}

## ${loads.large.count} objects of ${loads.large.title}, all at once

${overview(rows, 'large')}

In parts, each of which may meet the fault; but for Bun's, which sends what is in memory in one request.

## Where a peer does better

Than \`reliable-r2\` as it comes, in uploads stored, in false failures, or in requests left over:

${better}

Three choices decide rows of these tables. Three seconds without a listener are longer than all waits of each peer together,
and shorter than ours; in an earlier run with one second, on a slow machine, @aws-sdk/client-s3 stored 75 % and the others
depended on luck. Where requests hang, our default has 60 s for an attempt, and two hangs in a row do not end within the
time of this run. And a body that arrived changed is sent once more and not more often, by our rules.

**Sooner at p99**, by half or more, with no fewer stored. Our default waits 1 to 1.5 s before the second attempt, up to 3 s before the
third and up to 6 s before the fourth, and \`persistent\` 0.1 s before the second: after a fault that is over at once,
clients that wait 50 to 100 ms, or not at all, are done sooner. On R2 a write that is repeated within a second meets its
limit of one write a second to a key and a 429; these stores have no such limit.

${sooner}

## How it was made

Each client has a process of its own (Bun's in Bun), and for each kind of fault a store of its own from
\`reliable-r2/testing\` in another process; the cut of TLS is made by the fault proxy of the tests. After a run each object is
compared with what was sent. The clients are as they come, by their documentation; a second row has five attempts and a
timeout of ten seconds, as far as the client has such settings. ${versions.join(', ')}.

${absent.join('\n')}

- **reported stored**: the call resolved. **false success**: it did, and other bytes or none are stored. **false failure**: the
  call rejected, and the object is stored. **other bytes stored**: whatever was reported.
- **no end**: the call had not come to an end within ${WITHIN_MS / 1000} s (${faultClasses.find(({ name }) => name === 'hang').withinMs / 1000} s where requests hang). A client
  without a timeout waits for ever; the attempts of our presets have 30 or 60 s, and a second that hangs twice as much.
- **leaked**: requests that the server still sees on a connection one second after the last call ended.
- **requests each**: what the server saw, of an object in parts all of them. **p50, p99**: from the call to its success.

The times are of a small machine that did other work as well${isUnoptimized() ? ', and our addon was the dev profile’s, which is many times as slow as the one that is published' : ''}:
they say who waits, not who is fast.

## Each kind of fault

${faultClasses.map((fault) => details(rows, fault)).join('\n\n')}

## Reproduce

\`\`\`sh
npm run task bench:compare                       # writes this page; fails on a false success or a leak of ours
npm run task bench:compare -- --only 503         # some faults; prints only
npm run task bench:compare -- --client minio     # some clients; prints only
\`\`\`
`
}
