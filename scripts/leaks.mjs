// `npm run task leaks`: ten thousand uploads that fail, of each kind, and a thousand worker threads that are ended in the
// middle of uploads; each kind in a process of its own. Writes its section of docs/reports/verification.md. Some minutes; npm test
// has the same with a hundred.

import { createRequire } from 'node:module'
import { giveUp, prepareAll } from './lib/prepare.mjs'
import { machine, table, writeSection } from './lib/verification.mjs'

const COUNT = 10_000
const WORKER_COUNT = 1000

if (process.platform !== 'linux') giveUp('Descriptors and threads are counted in /proc, which Linux alone has.')
await prepareAll()

const require = createRequire(import.meta.url)
const { WORKERS, kinds } = require('../__test__/support/failing-uploads.js')
const { measure } = require('../__test__/support/leaks.js')

const rows = []
let leaked = false
for (const kind of [...Object.keys(kinds), WORKERS]) {
  const report = await measure([kind], kind === WORKERS ? WORKER_COUNT : COUNT)
  leaked ||= report.leaks.length > 0
  rows.push([kind, report])
  console.log(
    `${kind}: ${report.calls} in ${report.seconds.toFixed(0)} s, ${JSON.stringify(report.outcomes)}, growth ${JSON.stringify(report.growth)}`,
  )
  for (const leak of report.leaks) console.error(`  ${leak}`)
}
writeSection('Leaks', page())
if (leaked) giveUp('Something is left behind.')

function page() {
  const kib = (bytes) => Math.round(bytes / 1024)
  const total = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0)
  const change = (before, after) => `${before} → ${after}`
  const lines = rows.map(([kind, { calls, before, after, growth, unhandled, leaks }]) => [
    kind,
    calls,
    change(total(before.descriptors), total(after.descriptors)),
    change(total(before.resources), total(after.resources)),
    change(before.threads, after.threads),
    ...growth.rss.map(kib),
    ...growth.js.map(kib),
    unhandled.length,
    leaks.length === 0 ? 'none' : leaks.join('; '),
  ])
  const heads = [
    'fails by',
    'calls',
    'descriptors',
    'active resources',
    'threads',
    'RSS, first half',
    'RSS, second half',
  ]
  return `
Uploads that fail, one kind after the other, each in a process of its own after a tenth as many to warm up; bodies are bytes, strings,
Node streams, web streams and files in turn. Descriptors (\`/proc/self/fd\`), active resources
(\`process.getActiveResourcesInfo()\`) and threads are those before and after. Memory is what it grew by, in KiB, in the first
and in the second half of the calls: the process (RSS), and JavaScript's heap with its buffers after a collection. Nothing
may be left in the temporary folder, and no rejection unhandled. glibc's allocator is instructed to give back what is freed
(\`MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=65536 MALLOC_TRIM_THRESHOLD_=131072\`), so that RSS is what somebody holds and not
what it keeps for later, which after a thousand threads is much.

${table([...heads, 'JS, first half', 'JS, second half', 'unhandled', 'leaks'], lines)}

\`npm run task leaks\`, ${machine()}.
`
}
