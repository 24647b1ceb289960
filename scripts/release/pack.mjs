// `npm run task release:pack`: the tarballs that are published, in target/packages: one for each binary that was built, and
// the main one, which asks for all of them. `--all` fails where a binary is missing.

import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { giveUp, root } from '../lib/prepare.mjs'
import { faultsOf } from './inspect.mjs'
import { notices } from './notices.mjs'
import { npm } from './npm.mjs'
import { bom, bomOfMain } from './sbom.mjs'
import { main, packages, targets } from './targets.mjs'

const stages = path.join(packages, 'stages')

/** npm takes a provenance only of the repository that the package names. On GitHub a workflow knows which that is. */
const { GITHUB_REPOSITORY } = process.env
const repository =
  main.repository ?? (GITHUB_REPOSITORY && { type: 'git', url: `git+https://github.com/${GITHUB_REPOSITORY}.git` })

/** Packs a folder of files; gives the tarball's path. */
function pack(description, files) {
  const manifest = { ...description, ...(repository && { repository }) }
  const stage = path.join(stages, manifest.name)
  mkdirSync(stage, { recursive: true })
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(stage, name)), { recursive: true })
    if (content.from) cpSync(content.from, path.join(stage, name))
    else writeFileSync(path.join(stage, name), content.text)
  }
  writeFileSync(path.join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  const [{ filename }] = JSON.parse(npm('pack', '--json', '--pack-destination', packages, stage))
  return path.join(packages, filename)
}

const from = (...place) => ({ from: path.join(root, ...place) })

/** The package of one system: its binary, and what is in the binary. */
export function packPlatform(target) {
  const { manifest, folder, file } = target
  const addon = path.join(root, file)
  const files = [...manifest.files, 'sbom.cdx.json', 'THIRD-PARTY-LICENSES.txt']
  return pack(
    { ...manifest, version: main.version, files },
    {
      [file]: { from: addon },
      'README.md': from(folder, 'README.md'),
      LICENSE: from('LICENSE'),
      'sbom.cdx.json': { text: bom(target, readFileSync(addon)) },
      'THIRD-PARTY-LICENSES.txt': { text: notices(target.triple) },
    },
  )
}

/** A package of a system that is not this one, for tests of what npm does with it. */
export function packPlaceholder({ manifest, file }) {
  return pack({ ...manifest, version: main.version }, { [file]: { text: 'no binary' } })
}

/** The package that people install. What only a checkout needs is left out of its manifest. */
export function packMain() {
  const { scripts, devDependencies, napi, ...manifest } = main
  const [{ files }] = JSON.parse(npm('pack', '--dry-run', '--json'))
  const optionalDependencies = Object.fromEntries(targets.map((target) => [target.manifest.name, main.version]))
  const content = files.map(({ path: file }) => file).filter((file) => file !== 'package.json')
  return pack(
    { ...manifest, files: [...manifest.files, 'sbom.cdx.json'], optionalDependencies },
    { ...Object.fromEntries(content.map((file) => [file, from(file)])), 'sbom.cdx.json': { text: bomOfMain() } },
  )
}

export function clear() {
  rmSync(packages, { recursive: true, force: true })
  mkdirSync(stages, { recursive: true })
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const missing = targets.filter(({ file }) => !existsSync(path.join(root, file)))
  if (process.argv.includes('--all') && missing.length > 0)
    giveUp(`Not built: ${missing.map(({ file }) => file).join(', ')}`)
  clear()
  for (const target of targets.filter((target) => !missing.includes(target))) {
    const faults = faultsOf(readFileSync(path.join(root, target.file)), target)
    if (faults.length > 0) giveUp(`${target.file} must not be published:\n- ${faults.join('\n- ')}`)
    console.log(path.relative(root, packPlatform(target)))
  }
  console.log(path.relative(root, packMain()))
  if (missing.length > 0)
    console.log(`Not built here, so not packed: ${missing.map(({ platform }) => platform).join(', ')}`)
}
