// `npm run task release:load -- [IMAGE]`: unpacks the tarballs for this system as npm would, and uploads with them to the local
// R2 that is in the package; here, or in a container of that image. Needs Node and tar alone.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { giveUp, root, run } from '../lib/prepare.mjs'
import { hostTarget, main, packages } from './targets.mjs'

const PROGRAM = `
const assert = require('node:assert/strict')
const { VERSION, newStorage } = require('reliable-r2')
const { startLocalR2 } = require('reliable-r2/testing')

async function main() {
  assert.equal(VERSION, process.argv[2])
  const r2 = await startLocalR2()
  r2.faults([{ fault: 'reset', times: 1 }])
  const storage = newStorage({ ...r2.config, retry: { initialDelayMs: 1, maxDelayMs: 1 }, logger: false })
  const body = Buffer.alloc(20 * 1024 * 1024, 7)
  const { attempts, parts } = await storage.uploadFile({ key: 'loaded.bin', body })
  const { body: stored } = await storage.download({ key: 'loaded.bin' })
  assert.ok(Buffer.from(await new Response(stored).arrayBuffer()).equals(body))
  storage.close()
  await r2.stop()
  console.log(\`\${process.platform}-\${process.arch}, Node.js \${process.version}: stored in \${parts} parts and \${attempts} attempts, and read back\`)
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
`

const [image] = process.argv.slice(2)
if (image) {
  await run(
    'docker',
    [
      'run',
      '--rm',
      '--volume',
      `${root}:/package:ro`,
      '--workdir',
      '/package',
      image,
      'node',
      'scripts/release/load.mjs',
    ],
    { shell: false },
  )
  process.exit()
}

const folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-load-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
for (const { name } of [main, hostTarget().manifest]) {
  const place = path.join('node_modules', name)
  mkdirSync(path.join(folder, place), { recursive: true })
  const tarball = path.join(packages, `${name}-${main.version}.tgz`)
  // Relative: tar takes the colon of a drive for that of a host.
  const { status, stderr } = spawnSync(
    'tar',
    ['-xzf', path.relative(folder, tarball), '-C', place, '--strip-components=1'],
    { cwd: folder, encoding: 'utf8' },
  )
  if (status !== 0) giveUp(`${tarball} could not be unpacked:\n${stderr}`)
}
writeFileSync(path.join(folder, 'program.cjs'), PROGRAM)
const { status, signal } = spawnSync(process.execPath, ['program.cjs', main.version], {
  cwd: folder,
  stdio: 'inherit',
  env: { ...process.env, NODE_PATH: undefined },
})
if (status !== 0) giveUp(`The packages do not work here (${status ?? signal}).`)
