// `npm run task servers`: this package against S3 servers of others, installed from PyPI into target/servers. Python 3.11 is
// all that must be there.

import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { giveUp, newest, prepareAll, root, run } from './lib/prepare.mjs'

const onWindows = process.platform === 'win32'
const requirements = path.join('__test__', 'servers', 'requirements.txt')
const folder = path.join(root, 'target', 'servers')
const bin = path.join(folder, onWindows ? 'Scripts' : 'bin')
const done = path.join(folder, 'installed')

function findPython() {
  const found = ['python3.11', 'python3', 'python'].find(
    (name) => spawnSync(name, ['-c', 'import venv, sys; assert sys.version_info >= (3, 9)']).status === 0,
  )
  return found ?? giveUp('Python 3.9 or later with venv is missing: the servers are installed by its pip.')
}

await prepareAll()
if (!existsSync(done) || newest(done) < newest(requirements)) {
  console.log('Installing the servers ...')
  await run(findPython(), ['-m', 'venv', '--clear', folder])
  await run(path.join(bin, 'python'), [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--requirement',
    requirements,
  ])
  writeFileSync(done, '')
}
await run(process.execPath, ['--test', path.join('__test__', 'servers', 'servers.test.js')], {
  env: { ...process.env, SERVERS: bin },
})
