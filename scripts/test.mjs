// `npm test`: installs what is missing, builds, runs the Rust tests and the Node tests.

import { readdirSync } from 'node:fs'
import path from 'node:path'
import { prepareAll, root, run } from './lib/prepare.mjs'

await prepareAll()

console.log('\nRust tests')
await run('cargo', ['test', '--workspace', '--no-default-features', '--quiet'])

console.log('\nNode tests')
const tests = ['facade', 'faults', 'testing', 'catalogue', 'cli', 'dashboard', 'docs', 'live', 'release'].flatMap((folder) => {
  const place = path.join('__test__', folder)
  return readdirSync(path.join(root, place)).filter((name) => name.endsWith('.test.js')).map((name) => path.join(place, name))
})
await run(process.execPath, ['--test', ...tests])

console.log('\nTypes and package')
await run('npm', ['run', '--silent', 'test:types'])
await run('npm', ['run', '--silent', 'test:package'])
