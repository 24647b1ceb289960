// The crates that are linked into the addon for a target: not those that only build, test or expand macros.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { giveUp, root } from '../lib/prepare.mjs'

/** In the order of their names. Each has `dependencies`, the ids of those that it links. */
export function linkedCrates(triple) {
  const args = ['metadata', '--format-version', '1', '--locked', '--filter-platform', triple]
  const { status, stdout, stderr } = spawnSync('cargo', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 })
  if (status !== 0) giveUp(`cargo metadata failed:\n${stderr}`)
  const { packages, resolve } = JSON.parse(stdout)
  const nodes = new Map(resolve.nodes.map((node) => [node.id, node]))
  const crates = new Map(packages.map((crate) => [crate.id, crate]))
  const isMacro = (id) => crates.get(id).targets.some(({ kind }) => kind.includes('proc-macro'))

  const linked = new Map()
  const visit = (id) => {
    if (linked.has(id)) return
    const normal = nodes.get(id).deps.filter(({ dep_kinds }) => dep_kinds.some(({ kind }) => kind === null))
    const dependencies = normal.map(({ pkg }) => pkg).filter((pkg) => !isMacro(pkg))
    linked.set(id, { ...crates.get(id), dependencies })
    dependencies.forEach(visit)
  }
  visit(resolve.root)
  linked.delete(resolve.root)
  const direct = nodes.get(resolve.root).deps.map(({ pkg }) => pkg).filter((id) => linked.has(id))
  const order = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
  return { crates: [...linked.values()].sort(order), direct }
}

/** The checksums of Cargo.lock, by `name@version`. */
export function checksums() {
  const entries = readFileSync(path.join(root, 'Cargo.lock'), 'utf8').split('[[package]]')
  const field = (entry, name) => entry.match(new RegExp(`^${name} = "(.+)"$`, 'm'))?.[1]
  return new Map(entries.map((entry) => [`${field(entry, 'name')}@${field(entry, 'version')}`, field(entry, 'checksum')]))
}

/** Cargo once took a slash for OR. */
export const licenceOf = ({ license }) => license?.replace(/\s*\/\s*/g, ' OR ')
