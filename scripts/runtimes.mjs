// Runs the tests in the other runtimes that load Node addons, all of them from the npm registry: the whole suite in
// later versions of Node.js, what must work everywhere in Bun and Deno.
//
//   --newest     of the versions of Node.js the newest alone; each takes some minutes

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { root, run, testFiles } from './lib/prepare.mjs'

const LATER = [22, 24, 26]
const NODES = process.argv.includes('--newest') ? LATER.slice(-1) : LATER
const OTHERS = { bun: ['1.4.5'], deno: ['2.9.6', 'run', '--allow-all', '--no-prompt'] }
const PATIENCE_MS = 300_000

const platform = { win32: 'win' }[process.platform] ?? process.platform
const exe = process.platform === 'win32' ? '.exe' : ''

/** A package of its own for each runtime, so that their versions do not meet. */
async function install(name, ...packages) {
  const folder = path.join(root, 'target', 'runtimes', name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n')
  if (!existsSync(path.join(folder, 'node_modules'))) {
    const quiet = ['--no-audit', '--no-fund', '--no-save', '--loglevel=error']
    await run('npm', ['install', '--prefix', folder, ...quiet, ...packages])
  }
  return path.join(folder, 'node_modules')
}

// About the core and not about the runtime, and longer than all else.
const LONG = ['crash.test.js', 'leaks.test.js']

const suite = testFiles(['facade', 'faults', 'cli'], LONG)

for (const version of NODES) {
  const name = `node-${platform}-${process.arch}`
  const modules = await install(`node-${version}`, '--ignore-scripts', `${name}@${version}`)
  console.log(`\nNode.js ${version}`)
  await run(path.join(modules, name, 'bin', `node${exe}`), ['--test', '--test-reporter=dot', ...suite])
}

const { Lab, keys } = createRequire(import.meta.url)('../__test__/support/lab.js')
for (const [name, [version, ...options]] of Object.entries(OTHERS)) {
  const modules = await install(name, `${name}@${version}`)
  const lab = await Lab.start()
  console.log(`\n${name} ${version}`)
  try {
    const smoke = path.join('__test__', 'runtimes', 'smoke.cjs')
    const bin = path.join(modules, '.bin', name + (process.platform === 'win32' ? '.cmd' : ''))
    await run(bin, [...options, smoke, lab.proxy, lab.control, keys.secretKey], { timeout: PATIENCE_MS })
  } finally {
    await lab.stop()
  }
}
