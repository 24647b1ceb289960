// The null sink and the baseline (`benches/rig`), as processes of their own.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { giveUp, root, run } from '../../scripts/lib/prepare.mjs'

const onWindows = process.platform === 'win32'
const built = (name) => path.join(root, 'target', 'release', name)
const program = (name) => built(onWindows ? `${name}.exe` : name)
const library = { darwin: 'libreliable_r2_baseline_addon.dylib', win32: 'reliable_r2_baseline_addon.dll' }

export const baseline = program('baseline')
export const baselineAddon = built(library[process.platform] ?? 'libreliable_r2_baseline_addon.so')

export async function buildRig() {
  console.log('Building the null sink and the baseline ...')
  await run('cargo', [
    'build',
    '--release',
    '--quiet',
    '--package',
    'reliable-r2-rig',
    '--package',
    'reliable-r2-baseline-addon',
  ])
}

/** @param {'md5' | 'fixed'} etags what its responses to uploads say */
export async function startSink(etags) {
  const child = spawn(program('null-sink'), ['--etag', etags], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.once('exit', (code) => code && giveUp(`The null sink ended with code ${code}.`))
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  const { plain, tls, caCertificate } = JSON.parse(line)
  const authority = path.join(tmpdir(), `reliable-r2-bench-${process.pid}-${etags}.pem`)
  writeFileSync(authority, caCertificate)
  return {
    plain,
    tls,
    authority,
    stop() {
      child.stdin.end()
      rmSync(authority)
    },
  }
}
