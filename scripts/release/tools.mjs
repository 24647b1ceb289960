// `npm run task release:tools -- TARGET`: what building the addon for TARGET needs besides Node, npm and rustup: the version of
// Rust that Cargo.toml names, the target's standard library, and for Linux cargo-zigbuild and zig (with pip). Without
// TARGET, what a build for this system alone needs.

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { root, run } from '../lib/prepare.mjs'
import { findTarget, hostTarget } from './targets.mjs'

const [name] = process.argv.slice(2)
const target = name ? findTarget(name) : hostTarget()
const [, toolchain] = readFileSync(path.join(root, 'Cargo.toml'), 'utf8').match(/^rust-version = "(.+)"$/m)

await run('rustup', ['toolchain', 'install', toolchain, '--profile', 'minimal', '--target', target.triple])
await run('rustup', ['default', toolchain])
if (name && target.triple.includes('linux')) {
  await run('python3', [
    '-m',
    'pip',
    'install',
    '--require-hashes',
    '--requirement',
    path.join('scripts', 'release', 'requirements.txt'),
  ])
}
