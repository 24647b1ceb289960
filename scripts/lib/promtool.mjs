// Prometheus' own checker, for the tests of what we say to Prometheus.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { giveUp, root, run } from './prepare.mjs'

const KNOWN_PLACES = ['/usr/bin/promtool', '/usr/local/bin/promtool', '/opt/homebrew/bin/promtool']

/**
 * The program: `PROMTOOL`, or one that is installed. On Debian it is taken out of the package `prometheus` if we may,
 * without installing the package: that would start a server. Undefined where it cannot be had; on CI that is an error.
 */
export async function findPromtool() {
  const extracted = path.join(root, 'target', 'prometheus')
  const places = [process.env.PROMTOOL, ...KNOWN_PLACES, path.join(extracted, 'usr', 'bin', 'promtool')].filter(Boolean)
  const found = () => places.find((place) => existsSync(place))
  if (!found() && process.getuid?.() === 0 && spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status === 0) {
    console.log('Fetching promtool ...')
    mkdirSync(extracted, { recursive: true })
    await run('apt-get', ['update', '-qq'])
    // apt fetches as a user of its own, who may not write where root may.
    await run('apt-get', ['download', '-qq', '-o', 'APT::Sandbox::User=root', 'prometheus'], { cwd: extracted })
    const [archive] = readdirSync(extracted).filter((name) => name.endsWith('.deb'))
    await run('dpkg-deb', ['--extract', path.join(extracted, archive), extracted])
  }
  const program = found()
  if (!program && process.env.CI)
    giveUp('No promtool was found, and these tests must run on CI. Debian has it in its package prometheus.')
  return program
}
