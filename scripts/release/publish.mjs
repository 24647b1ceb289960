// `npm run task release:publish`: publishes what release:pack has packed, the binaries before the package that asks for them.
// May be run again: what is published already is passed over. `--dry-run` publishes nothing.

import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { giveUp, root } from '../lib/prepare.mjs'
import { attemptNpm, withToken } from './npm.mjs'
import { main, packages, targets } from './targets.mjs'

// The tag that is released says which version it is meant to be.
const { GITHUB_REF_TYPE, GITHUB_REF_NAME } = process.env
if (GITHUB_REF_TYPE === 'tag' && GITHUB_REF_NAME !== `v${main.version}`)
  giveUp(`The tag ${GITHUB_REF_NAME} is not that of version ${main.version}.`)

const dryRun = process.argv.includes('--dry-run')
const { version } = main
// A version like 1.0.0-beta.1 must not become what `npm install` gives.
const tag = version.includes('-') ? 'next' : 'latest'

const names = [...targets.map(({ manifest }) => manifest.name), main.name]
const tarballs = names.map((name) => [name, path.join(packages, `${name}-${version}.tgz`)])
const missing = tarballs.filter(([, file]) => !existsSync(file)).map(([name]) => name)
if (missing.length > 0 && !dryRun) giveUp(`Not packed, so nothing is published: ${missing.join(', ')}`)
const unknown = existsSync(packages)
  ? readdirSync(packages).filter((file) => file.endsWith('.tgz')).length - (tarballs.length - missing.length)
  : 0
if (unknown > 0)
  giveUp(`There are tarballs in ${path.relative(root, packages)} that belong to no package of version ${version}.`)

const failure = withToken((login) => {
  for (const [name, file] of tarballs.filter(([name]) => !missing.includes(name))) {
    if (!dryRun && isPublished(name)) {
      console.log(`${name}@${version} is published already`)
      continue
    }
    // Provenance says which commit and which workflow made the tarball. Only where a workflow runs is there one.
    const options = ['--access', 'public', '--tag', tag, ...login, ...(dryRun ? ['--dry-run'] : ['--provenance'])]
    const { status, stderr } = attemptNpm('publish', file, ...options)
    if (status !== 0) return `${name}@${version} was not published:\n${stderr}`
    console.log(`${name}@${version}${dryRun ? ' would be' : ' is'} published as ${tag}`)
  }
})
if (failure) giveUp(failure)
if (missing.length > 0) console.log(`Not packed here: ${missing.join(', ')}`)

function isPublished(name) {
  const { status, stdout } = attemptNpm('view', `${name}@${version}`, 'version')
  return status === 0 && stdout.trim() === version
}
