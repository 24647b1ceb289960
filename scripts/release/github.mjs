// `npm run task release:github`: a release on GitHub with the tarballs, their bills of materials, and their checksums. Needs
// `gh`, which GitHub's runners have, and GH_TOKEN.

import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { root, run } from '../lib/prepare.mjs'
import { main, packages } from './targets.mjs'

const assets = path.join(packages, 'assets')
mkdirSync(assets, { recursive: true })
for (const file of readdirSync(packages).filter((name) => name.endsWith('.tgz')))
  copyFileSync(path.join(packages, file), path.join(assets, file))
const stages = path.join(packages, 'stages')
for (const name of readdirSync(stages))
  copyFileSync(path.join(stages, name, 'sbom.cdx.json'), path.join(assets, `${name}-${main.version}.cdx.json`))

const names = readdirSync(assets)
  .filter((name) => name !== 'SHA256SUMS')
  .sort()
const sum = (name) =>
  createHash('sha256')
    .update(readFileSync(path.join(assets, name)))
    .digest('hex')
writeFileSync(path.join(assets, 'SHA256SUMS'), names.map((name) => `${sum(name)}  ${name}\n`).join(''))

const [, notes = ''] = readFileSync(path.join(root, 'CHANGELOG.md'), 'utf8').split(/^## .+$/m)
const files = [...names, 'SHA256SUMS'].map((name) => path.join(assets, name))
const prerelease = main.version.includes('-') ? ['--prerelease'] : []
if (process.argv.includes('--dry-run'))
  console.log(`gh release create v${main.version} with ${files.map((file) => path.basename(file)).join(', ')}`)
else
  await run(
    'gh',
    [
      'release',
      'create',
      `v${main.version}`,
      ...files,
      '--verify-tag',
      '--title',
      `v${main.version}`,
      '--notes',
      notes.trim(),
      ...prerelease,
    ],
    { shell: false },
  )
