import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { giveUp, root } from '../lib/prepare.mjs'

/** What npm prints; its failure is ours. */
export function npm(...args) {
  const { status, stdout, stderr } = attemptNpm(...args)
  if (status !== 0) giveUp(`npm ${args.join(' ')} failed:\n${stderr}`)
  return stdout
}

/** How npm ended, and what it said. */
export function attemptNpm(...args) {
  return spawnSync('npm', [...args, '--loglevel=error'], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
}

/** Does `action` with npm options that log in with a token, where the environment has one. */
export function withToken(action) {
  const { NPM_TOKEN } = process.env
  if (!NPM_TOKEN) return action([])
  const folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-npm-'))
  try {
    const file = path.join(folder, 'npmrc')
    const { host, pathname } = new URL(npm('config', 'get', 'registry').trim())
    writeFileSync(file, `//${host}${pathname}:_authToken=${NPM_TOKEN}\n`, { mode: 0o600 })
    return action(['--userconfig', file])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
