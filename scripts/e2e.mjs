// `npm run task e2e`: the example app as it is built, a local R2 behind the fault proxy, and a real browser. Some of its tests
// by name: `npm run task e2e -- page`.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { spawn } from 'node:child_process'
import { findBrowser } from './lib/browser.mjs'
import { startLocalR2 } from './lib/local-r2.mjs'
import { freePort, startNextApp } from './lib/next-app.mjs'
import {
  buildAddon,
  buildExample,
  buildLab,
  example,
  giveUp,
  installPackage,
  requireTools,
  root,
} from './lib/prepare.mjs'

requireTools()
const browser = await findBrowser()
await installPackage()
await buildLab()
await buildAddon()
await buildExample()

const folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-e2e-'))
const r2 = await startLocalR2(folder)
const app = await startNextApp(await freePort(), r2.env)
const named = process.argv.slice(2)
const all = ['route', 'provider', 'page', 'dashboard', 'next-build']
const unknown = named.find((name) => !all.includes(name))
if (unknown) giveUp(`There is no test ${unknown}, but ${all.join(', ')}.`)
const tests = (named.length > 0 ? named : all).map((name) => path.join(example, 'test', `${name}.test.mjs`))
const code = await new Promise((resolve) => {
  const child = spawn(process.execPath, ['--test', '--test-concurrency=1', ...tests], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...r2.env, APP_URL: app.url, LOCAL_R2_OBJECTS: r2.data, CHROMIUM: browser },
  })
  child.once('exit', resolve)
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => child.kill(signal))
})
await app.stop()
await r2.stop()
rmSync(folder, { recursive: true, force: true })
process.exit(code ?? 1)
