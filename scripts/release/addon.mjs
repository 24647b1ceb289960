// `npm run task release:addon -- TARGET`: the addon for one target, as it is published, and what is promised of it.
// Linux needs cargo-zigbuild and zig on the PATH: scripts/release/requirements.txt has both.

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { giveUp, root, run } from '../lib/prepare.mjs'
import { faultsOf } from './inspect.mjs'
import { GLIBC, findTarget, hostTarget } from './targets.mjs'

const [name] = process.argv.slice(2)
const target = name ? findTarget(name) : hostTarget()

if (target.triple.includes('linux')) {
  // Zig's linker has the symbol versions of every glibc, so the build machine's own does not matter.
  const triple = target.triple.endsWith('-gnu') ? `${target.triple}.${GLIBC}` : target.triple
  await run('npm', ['run', '--silent', 'build', '--', '--target', triple, '--cross-compile'])
} else {
  await run('npm', ['run', '--silent', 'build', '--', '--target', target.triple])
}

const addon = readFileSync(path.join(root, target.file))
const faults = faultsOf(addon, target)
if (faults.length > 0) giveUp(`${target.file} must not be published:\n- ${faults.join('\n- ')}`)
console.log(`${target.file}: ${(addon.length / 1024 / 1024).toFixed(2)} MiB, for ${target.triple}`)
