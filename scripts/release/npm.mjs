import { spawnSync } from 'node:child_process'
import { giveUp, root } from '../lib/prepare.mjs'

/** What npm prints; its failure is ours. */
export function npm(...args) {
  const { status, stdout, stderr } = attemptNpm(...args)
  if (status !== 0) giveUp(`npm ${args.join(' ')} failed:\n${stderr}`)
  return stdout
}

/** How npm ended, and what it said. */
export function attemptNpm(...args) {
  return spawnSync('npm', [...args, '--loglevel=error'], { cwd: root, encoding: 'utf8', shell: process.platform === 'win32' })
}
