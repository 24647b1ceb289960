// The crates that are linked into the addon for a target: not those that only build, test or expand macros.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { giveUp, root } from '../lib/prepare.mjs'

function cargo(...args) {
  const { status, stdout, stderr } = spawnSync('cargo', [...args, '--locked'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (status !== 0) giveUp(`cargo ${args.join(' ')} failed:\n${stderr}`)
  return stdout
}

let known

/** By `name@version`. */
function metadata() {
  const { packages } = JSON.parse(cargo('metadata', '--format-version', '1'))
  return new Map(packages.map((crate) => [`${crate.name}@${crate.version}`, crate]))
}

/**
 * In the order of their names. Each has an `id`, and `dependencies`, the ids of those that it links. It is cargo's tree that
 * is asked: its metadata has what tests and the rest of the workspace turn on, too.
 */
export function linkedCrates(triple) {
  known ??= metadata()
  const edges = ['--edges', 'normal,no-proc-macro', '--prefix', 'depth', '--format', ' {p}']
  const lines = cargo('tree', '--package', 'reliable-r2', '--target', triple, ...edges)
    .trim()
    .split('\n')
  const dependencies = new Map()
  const path = []
  for (const line of lines) {
    const [, depth, name, version] = line.match(/^(\d+) (\S+) v(\S+)/)
    const id = `${name}@${version}`
    path.length = Number(depth)
    path.push(id)
    // A crate that was there before is listed without what it links.
    if (!dependencies.has(id)) dependencies.set(id, new Set())
    if (path.length > 1) dependencies.get(path.at(-2)).add(id)
  }
  const [own] = path
  const direct = [...dependencies.get(own)]
  dependencies.delete(own)
  const crates = [...dependencies].map(([id, linked]) => ({ ...known.get(id), id, dependencies: [...linked] }))
  const order = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
  return { crates: crates.sort(order), direct }
}

/** The checksums of Cargo.lock, by `name@version`. */
export function checksums() {
  const entries = readFileSync(path.join(root, 'Cargo.lock'), 'utf8').split('[[package]]')
  const field = (entry, name) => entry.match(new RegExp(`^${name} = "(.+)"$`, 'm'))?.[1]
  return new Map(
    entries.map((entry) => [`${field(entry, 'name')}@${field(entry, 'version')}`, field(entry, 'checksum')]),
  )
}

/** Cargo once took a slash for OR. */
export const licenceOf = ({ license }) => license?.replace(/\s*\/\s*/g, ' OR ')
