// docs/reports/benchmarks.md, from what was measured.

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { root } from '../../scripts/lib/prepare.mjs'
import { machine, table } from '../../scripts/lib/verification.mjs'
import { format } from './statistics.mjs'

const versionOf = (...place) => JSON.parse(readFileSync(path.join(root, ...place, 'package.json'), 'utf8')).version
const peer = (name) => versionOf('benches', 'node_modules', name)
const times = (ratio) => (ratio === null ? '–' : `${ratio.toFixed(ratio < 10 ? 2 : 1)}`)

/** One line for each client, one column for each scenario. */
function ratios(results, value) {
  const names = [...new Set(results.flatMap(({ rows }) => rows.map(({ name }) => name)))].slice(1)
  const head = ['', ...results.map(({ scenario }) => scenario.title)]
  const cell = (name, { rows }) => {
    const row = rows.find((one) => one.name === name)
    return row ? times(value(row)) : '–'
  }
  return table(
    head,
    names.map((name) => [name, ...results.map((result) => cell(name, result))]),
  )
}

function details({ scenario, rows, failed }) {
  const head = ['', 'uploads/s', '±', 'MB/s', 'CPU ms', 'JS thread ms', 'p50 ms', 'p99 ms', 'peak MiB']
  const lines = rows.map((row) => [
    row.name,
    row.perSecond < 10 ? row.perSecond.toFixed(2) : Math.round(row.perSecond),
    `${(row.spread * 100).toFixed(0)} %`,
    Math.round(row.mbPerSecond),
    format(row.cpuMs),
    format(row.jsThreadMs),
    format(row.p50Ms),
    format(row.p99Ms),
    row.peakMib === null ? '–' : Math.round(row.peakMib),
  ])
  const without = failed.length > 0 ? `\n\nFailed here: ${failed.join(', ')}.` : ''
  return `### ${scenario.title}\n\n${table(head, lines)}${without}`
}

export function page({ results, rounds, seconds, full }) {
  return `# Benchmarks

Uploads to a server on the same machine that takes everything and keeps nothing, so that what is measured is the client.
Absolute numbers are of one machine; the ratios are what to look at. They are made in each round anew, between runs that
followed each other, and the median is shown.

reliable-r2 ${versionOf()} (release build), @aws-sdk/client-s3 and lib-storage ${peer('@aws-sdk/client-s3')}, aws4fetch ${peer('aws4fetch')}, s3mini ${peer('s3mini')}, minio ${peer('minio')},
Bun ${peer('bun')}; ${machine()}. ${rounds} rounds, interleaved, of ${seconds} s for each client in a fresh process,
after a warm-up of a quarter of that.

## How many times as many uploads a second ours does

${ratios(results, (row) => row.fasterBy)}

## How many times our CPU time an upload takes

${ratios(results, (row) => row.cpuTimes)}

## All numbers

CPU is of the client's whole process, its JavaScript thread, garbage collector and native threads together; "JS thread" is
what of it the thread took that runs JavaScript (\`schedstat\` of Linux). Both are for one upload.
"±" is half the distance between the slowest round and the fastest. "Peak" is the largest RSS of the process.

${results.map(details).join('\n\n')}

## What is compared

- **reliable-r2** as it comes: each body has a CRC-64/NVME, which R2 verifies and gives back. The sink gives it back and
  verifies nothing, as it verifies no signature. **MD5s compared** is against a sink that knows no checksum and whose ETags
  are MD5s, which it computes on the same cores: throughput falls for that reason, CPU is still the client's own.
  **\`verifyIntegrity: false\`** relies on the signature. None of the other clients compares anything.
- **The others** as their documentation has it, with one client for all uploads, kept connections, and no limit on
  sockets below the concurrency. Above 16 MiB @aws-sdk/lib-storage, s3mini and minio send parts as they choose; aws4fetch and
  Bun send one request. They do not do the same work: the SDK signs the body's SHA-256 and adds a CRC32, reliable-r2 signs it on
  plain connections; minio signs the SHA-256 on plain connections and sends an MD5 over TLS; Bun, s3mini and aws4fetch send neither
  hash nor checksum and leave the bytes to the connection.
- **baseline** is bare hyper sending a ready-made request on kept connections: the least that a client here can do. It is
  a program of its own, since an addon would have the N-API boundary to JavaScript in it. **Baseline behind the N-API boundary** is the same
  in an addon: a copy of the body, a promise, and nothing else. The difference of the two is what any addon pays.
- **The sink** is by hand, in Rust, with one write for a response (\`benches/rig\`). It runs beside the client, so on a machine
  with few cores a large upload's throughput is shared between the two; CPU time is not.

## Reproduce

\`\`\`sh
npm run bench                                    # ${full ? 'the short form of this page' : 'this page'}
npm run bench -- --full                          # every size with every concurrency
npm run bench -- --only '2 MiB, 16 at once, TLS' # one scenario; prints only
\`\`\`
`
}
