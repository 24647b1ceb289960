// How many uploads survive the standard mixed faults: our presets and the AWS SDK, beside what theory gives. Writes
// docs/reports/fault-tolerance.md.

import { createRequire } from 'node:module'
import { giveUp, prepareAll } from '../scripts/lib/prepare.mjs'
import { writeReport } from '../scripts/lib/report.mjs'
import { page } from './support/survival-page.mjs'

const TIMEOUT_MS = 300
const CONCURRENCY = 32
const quick = process.argv.includes('--quick')
const plans = [
  { rate: 0.05, count: 3000, seed: 5 },
  { rate: 0.2, count: 3000, seed: 20 },
  { rate: 0.3, count: 3000, seed: 30 },
  { rate: 0.5, count: 1000, seed: 50 },
].map((plan) => ({ ...plan, count: quick ? plan.count / 10 : plan.count, concurrency: CONCURRENCY }))

await prepareAll('benches')

const require = createRequire(import.meta.url)
const { scaledPolicies, survive } = require('../__test__/support/survival.js')
const { keys } = require('../__test__/support/lab.js')
const { S3Client, PutObjectCommand } = require('@aws-sdk/client-s3')

const ours = (preset, maxAttempts) => ({
  name: `reliable-r2, \`${preset}\``,
  attempts: maxAttempts,
  connect(lab) {
    const storage = lab.storage({ retry: scaledPolicies[preset] })
    return (object) => storage.uploadFile(object)
  },
})

/** One client for the whole run, as an app has it; so its retry budget is shared, too. */
const sdk = {
  name: '@aws-sdk/client-s3, `maxAttempts: 5`',
  attempts: 5,
  connect(lab) {
    const client = new S3Client({
      endpoint: lab.proxy,
      region: 'auto',
      forcePathStyle: true,
      maxAttempts: 5,
      credentials: { accessKeyId: keys.accessKey, secretAccessKey: keys.secretKey },
      requestHandler: { connectionTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS, throwOnRequestTimeout: true },
    })
    return ({ key, body }) => client.send(new PutObjectCommand({ Bucket: 'pictures', Key: key, Body: body }))
  },
}

const { RetryPresets } = require('../index.js')
const clients = [
  ...['persistent', 'aggressive', 'fileUpload'].map((preset) => ours(preset, RetryPresets[preset].maxAttempts)),
  sdk,
]

const rows = []
for (const plan of plans) {
  for (const { name, attempts, connect } of clients) {
    const outcome = await survive(connect, plan)
    rows.push({ name, attempts, ...plan, ...outcome })
    const { succeeded, count, lost, falseSuccesses, falseFailures, attemptsPerUpload, p50Ms, p99Ms } = outcome
    console.log(
      `${plan.rate * 100} %  ${name}: ${succeeded}/${count}, lost ${lost}, false successes ${falseSuccesses}, ` +
        `false failures ${falseFailures}, ${attemptsPerUpload.toFixed(3)} attempts, p50 ${p50Ms.toFixed(0)} ms, p99 ${p99Ms.toFixed(0)} ms`,
    )
  }
}
if (quick) console.log('A quick run: docs/reports/fault-tolerance.md is left as it is.')
else {
  const numbers = rows.map(({ errors, ...row }) => ({ ...row, reasons: countByReason(errors) }))
  writeReport('fault-tolerance', { concurrency: CONCURRENCY, timeoutMs: TIMEOUT_MS, rows: numbers }, page)
}

const promised = rows.filter(({ name }) => name.includes('persistent'))
const broken = promised.filter(({ lost, falseSuccesses }) => lost > 0 || falseSuccesses > 0)
if (
  broken.length > 0 ||
  rows.some(({ name, falseSuccesses }) => name.startsWith('reliable-r2') && falseSuccesses > 0)
) {
  for (const { errors } of broken) for (const error of errors.slice(0, 5)) console.error(error)
  giveUp('reliable-r2 broke its promise: an upload was lost, or said to be stored and is not.')
}

/** How often each code, or name, is the reason of a failure. */
function countByReason(errors) {
  const counts = {}
  for (const { code, Code, name } of errors) {
    const reason = code ?? Code ?? name
    counts[reason] = (counts[reason] ?? 0) + 1
  }
  return counts
}
