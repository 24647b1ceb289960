// `npm run task operations`: what docs/operations gives Prometheus and Grafana, checked by Prometheus' own tool and against
// the metrics of a real storage.

import { spawn } from 'node:child_process'
import path from 'node:path'
import { prepareAll, root } from './lib/prepare.mjs'
import { findPromtool } from './lib/promtool.mjs'

await prepareAll()
const promtool = await findPromtool()

const tests = path.join('__test__', 'operations', 'operations.test.js')
const env = { ...process.env, ...(promtool && { PROMTOOL: promtool }) }
const child = spawn(process.execPath, ['--test', tests], { cwd: root, stdio: 'inherit', env })
const code = await new Promise((resolve) => child.once('exit', resolve))
if (!promtool) {
  console.error(
    '\nNOT CHECKED: the rules themselves. There is no promtool here; install Prometheus, or set PROMTOOL to its path.\n',
  )
}
process.exit(code ?? 1)
