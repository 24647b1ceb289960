// `npm start`: installs, builds, starts the example app, with a local R2 and its fault proxy unless STORAGE_*
// name a real one. Ctrl-C stops all of it.

import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { startLocalR2 } from './lib/local-r2.mjs'
import { portIsFree, startNextApp } from './lib/next-app.mjs'
import { portIsTaken } from './lib/port-holder.mjs'
import { buildAddon, buildExample, buildLab, giveUp, installPackage, requireTools, root } from './lib/prepare.mjs'

const REQUIRED = ['STORAGE_ENDPOINT', 'STORAGE_ACCESS_KEY', 'STORAGE_SECRET_KEY', 'STORAGE_BUCKET']

const port = Number(process.env.PORT ?? 3000)
if (!Number.isInteger(port) || port < 1 || port > 65_535)
  giveUp(`PORT must be a number from 1 to 65535, not ${process.env.PORT}.`)
if (!(await portIsFree(port))) giveUp(portIsTaken(port))
const given = REQUIRED.filter((name) => process.env[name])
const usesRealR2 = given.length > 0
if (usesRealR2 && given.length < REQUIRED.length) {
  const missing = REQUIRED.filter((name) => !given.includes(name))
  giveUp(`For a real R2, set ${missing.join(', ')} too. For the local one, unset ${given.join(', ')}.`)
}

requireTools()
await installPackage()
if (!usesRealR2) await buildLab()
await buildAddon()
await buildExample()

const running = []
let stopping = false
async function stop(code) {
  if (stopping) return
  stopping = true
  await Promise.all(running.map((part) => part.stop()))
  process.exit(code)
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => void stop(0))

try {
  const r2 = usesRealR2 ? undefined : await startLocalR2(path.join(root, '.local-r2'))
  if (r2) running.push(r2)
  const token = process.env.DASHBOARD_TOKEN || randomBytes(16).toString('hex')
  const app = await startNextApp(port, { ...r2?.env, DASHBOARD_TOKEN: token }, () => void stop(1), [
    'ignore',
    'ignore',
    'inherit',
  ])
  running.push(app)
  console.log(`\n  The example app: ${app.url}`)
  console.log(`  Its dashboard:   ${app.url}/ops/storage (token ${token})`)
  console.log(
    r2
      ? `  Objects are stored in ${path.relative(process.cwd(), r2.data) || r2.data} by a local R2 behind a fault proxy.`
      : `  Objects are stored in the bucket ${process.env.STORAGE_BUCKET} of ${new URL(process.env.STORAGE_ENDPOINT).hostname}.`,
  )
  console.log('  Ctrl-C stops everything.\n')
} catch (error) {
  console.error(`\n${error.message}\n`)
  await stop(1)
}
