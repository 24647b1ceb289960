// `npm test`: installs what is missing, builds, runs the Rust tests and the Node tests.

import { prepareAll, run, testFiles } from './lib/prepare.mjs'

await prepareAll()

console.log('\nRust tests')
await run('cargo', ['test', '--workspace', '--no-default-features', '--features', 'reliable-r2/allocator', '--quiet'])

console.log('\nNode tests')
const tests = testFiles([
  'facade',
  'faults',
  'testing',
  'catalogue',
  'cli',
  'dashboard',
  'docs',
  'live',
  'release',
  'scripts',
  'structure',
])
await run(process.execPath, ['--test', ...tests])

console.log('\nLint, types and package')
await run('npm', ['run', '--silent', 'lint'])
await run('npm', ['run', '--silent', 'test:types'])
await run('npm', ['run', '--silent', 'test:package'])
