// `npm run task soak`: uploads of 4 KB to 20 MB, sixteen at once, over TLS through mixed faults at 30 %, for half an hour or
// `-- --minutes N`. In the end: nothing that was reported to be stored is missing or differs, nothing leaks, no upload is left
// open. Half an hour or more writes its section of docs/reports/verification.md.

import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { giveUp, prepareAll, root } from './lib/prepare.mjs'
import { machine, table, writeSection } from './lib/verification.mjs'

const RATE = 0.3
/** Of those that are stored: what the preset's two minutes cannot ride out. Each is printed. */
const MAX_FAILED = 0.001
/** What memory may grow by from the middle to the end, all uploads done: less is the allocator, that has had 20 MB often. */
const MAX_GROWTH = { rss: 128 * 1024 * 1024, js: 2 * 1024 * 1024 }

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    report: { type: 'boolean' },
  },
})
const [minutes, seed] = [Number(values.minutes), Number(values.seed)]
if (!(minutes > 0)) giveUp('--minutes takes a number above 0.')
if (process.platform !== 'linux') giveUp('Descriptors and threads are counted in /proc, which Linux alone has.')

await prepareAll()

const require = createRequire(import.meta.url)
const { Lab } = require('../__test__/support/lab.js')
const { more } = require('../__test__/support/holdings.js')

const lab = await Lab.start()
const temporary = mkdtempSync(path.join(tmpdir(), 'reliable-r2-soak-'))
const outcome = await soak()
const left = {
  uploads: readdirSync(lab.folder).filter((name) => name.startsWith('.upload')),
  files: readdirSync(temporary),
}
await lab.stop()
rmSync(temporary, { recursive: true, force: true })

const faults = judge(outcome)
const lines = summary(outcome)
for (const [what, value] of lines) console.log(`${what}: ${value}`)
for (const text of outcome.failed) console.log(`reported to have failed: ${text}`)
for (const fault of faults) console.error(`- ${fault}`)
if (minutes >= 30 || values.report) writeSection('Soak', page(lines, faults))
if (faults.length > 0) giveUp('The soak run failed.')

async function soak() {
  const program = path.join(root, '__test__', 'support', 'soak-program.js')
  const child = spawn(process.execPath, ['--expose-gc', program, String(minutes), String(RATE), String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      ...lab.environment,
      NODE_ENV: 'production',
      TLS_ENDPOINT: lab.tlsProxy,
      CA_CERTIFICATE: lab.caCertificate,
      LAB_CONTROL: lab.control,
      LAB_DATA: path.join(lab.folder, 'pictures'),
      TMPDIR: temporary,
    },
  })
  const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal)))
  let last
  for await (const line of createInterface({ input: child.stdout })) {
    last = JSON.parse(line)
    const { round, rounds, stored, failed, wrong, rss } = last
    if (round)
      console.log(
        `${round}/${rounds}: ${stored} stored, ${failed} failed, ${wrong} wrong, RSS ${(rss / 2 ** 20).toFixed(0)} MiB`,
      )
  }
  const code = await ended
  if (code !== 0 || !last?.samples) {
    await lab.stop()
    giveUp(`The uploading process ended with ${code}.`)
  }
  return last
}

/** From the middle to the end. */
function growth({ samples }, name) {
  return samples.at(-1)[name] - samples[Math.floor(samples.length / 2)][name]
}

function judge(outcome) {
  const { stored, failed, wrong, missing, before, after, unhandled, actions } = outcome
  const { forward = 0, ...struck } = actions
  const hits = Object.values(struck).reduce((sum, times) => sum + times, 0)
  const requests = hits + forward
  return [
    ...(stored > 0 ? [] : ['nothing was stored']),
    // Four standard deviations below what was asked for.
    ...(hits >= requests * RATE - 4 * Math.sqrt(requests * RATE * (1 - RATE))
      ? []
      : [`only ${hits} of ${requests} requests met a fault`]),
    ...[...wrong, ...missing].map((key) => `${key} was reported to be stored, and is not, or differs`),
    ...(failed.length > Math.max(1, stored * MAX_FAILED) ? [`${failed.length} uploads failed in the end`] : []),
    ...more(before, after),
    ...Object.entries(MAX_GROWTH).flatMap(([name, most]) =>
      growth(outcome, name) > most ? [`${name} grew by ${growth(outcome, name)} bytes`] : [],
    ),
    ...unhandled.map((text) => `unhandled rejection: ${text}`),
    ...[...left.uploads, ...left.files].map((name) => `${name} is left over`),
  ]
}

function summary(outcome) {
  const descriptors = (held) => Object.values(held.descriptors).reduce((sum, count) => sum + count, 0)
  const { seconds, stored, bytes, inParts, failed, wrong, missing, lookedAtTwice, ms, actions } = outcome
  const requests = Object.values(actions).reduce((sum, times) => sum + times, 0)
  const whole = (number) => Math.round(number).toLocaleString('en')
  const mib = (number) => `${(number / 2 ** 20).toFixed(1)} MiB`
  return [
    ['minutes', (seconds / 60).toFixed(1)],
    ['uploads reported to be stored', `${whole(stored)}, ${whole(inParts)} of them in parts`],
    ['uploads that were reported to have failed', failed.length],
    [
      'reported to be stored, and missing or different',
      `${wrong.length} at once, ${missing.length} of the last ${whole(lookedAtTwice)} in the end`,
    ],
    [
      'requests and cut handshakes',
      `${whole(requests)}, of which ${whole(requests - (actions.forward ?? 0))} met a fault`,
    ],
    [
      'stored',
      `${whole(bytes / 2 ** 20)} MiB, ${(bytes / 2 ** 20 / seconds).toFixed(1)} MiB and ${(stored / seconds).toFixed(1)} uploads a second`,
    ],
    ['time of an upload', `p50 ${whole(ms.p50)} ms, p99 ${whole(ms.p99)} ms, at most ${whole(ms.most)} ms`],
    [
      'memory, from the middle to the end',
      `RSS ${mib(growth(outcome, 'rss'))}, JavaScript ${mib(growth(outcome, 'js'))}`,
    ],
    [
      'held in the end',
      `${descriptors(outcome.after)} descriptors and ${outcome.after.threads} threads, after the first round ${descriptors(outcome.before)} and ${outcome.before.threads}`,
    ],
    [
      'left over',
      `${left.uploads.length} uploads in parts, ${left.files.length} temporary files, ${outcome.unhandled.length} unhandled rejections`,
    ],
  ]
}

function page(lines, faults) {
  return `
Uploads of 4 KB to 20 MB (each doubling of the size as likely as the next), half of them bytes and half of them streams, sixteen at
once, over TLS through the standard mixed faults at ${RATE * 100} % of the requests that store, seed ${seed}. The preset is
\`persistent\` with a timeout of 5 s for an attempt and of 2 s for a stalled
transfer. What was reported to be stored is compared with the server's disk at
once, and the last GiB again in the end.

${table(['', ''], lines)}

${faults.length === 0 ? 'Nothing failed.' : `It failed:\n\n${faults.map((fault) => `- ${fault}`).join('\n')}`}

\`npm run task soak -- --minutes ${minutes}\`, ${machine()}.
`
}
