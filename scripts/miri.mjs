// `npm run task miri`: runs the unit tests of the modules that need neither sockets nor the cryptography's assembler in
// Miri, an interpreter that notices undefined behaviour. Needs a toolchain of the nightly channel with miri and rust-src.

import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { giveUp, requireTools, root } from './lib/prepare.mjs'
import { machine, writeSection } from './lib/verification.mjs'

const MODULES = [
  'error::',
  'net::content_range::',
  'net::fault',
  'net::headers',
  'phase::',
  'resilience::',
  'secret::',
  'source::url_guard',
  'source::version',
  'store::etag',
  'store::s3_proof',
  'store::types',
  'transfer::plan',
]
/** A moment for a processor, hours for an interpreter. */
const TOO_LONG = ['key_lock', 'rate_limiter', 'retry::', 'retry_budget'].map((name) => `resilience::${name}`)

requireTools()
if (spawnSync('cargo', ['+nightly', 'miri', '--version'], { stdio: 'ignore' }).status !== 0) {
  giveUp('Miri is missing: rustup toolchain install nightly --component miri --component rust-src')
}
const skipped = TOO_LONG.flatMap((name) => ['--skip', name])
const { status, stdout } = spawnSync(
  'cargo',
  ['+nightly', 'miri', 'test', '--no-default-features', '--lib', '--', ...MODULES, ...skipped],
  {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'inherit'],
    // Clocks are asked for what time it is.
    env: { ...process.env, CARGO_TARGET_DIR: path.join(root, 'target', 'miri'), MIRIFLAGS: '-Zmiri-disable-isolation' },
  },
)
console.log(stdout)
if (status !== 0) giveUp('Miri has found something, or could not begin.')
const [, passed] = /test result: ok\. (\d+) passed/.exec(stdout)
writeSection(
  'Miri',
  `\`npm run task miri\` runs unit tests in Miri, which notices undefined behaviour: ours has no \`unsafe\`, what it stands on has. \
Modules: \`${MODULES.map((name) => name.replace(/::$/, '')).join('`, `')}\`. The others need sockets, files or the cryptography's assembler. \
Left out, since they play days of uploads: \`${TOO_LONG.map((name) => name.replace(/::$/, '')).join('`, `')}\`.

${passed} tests, nothing found, on ${new Date().toISOString().slice(0, 10)}; ${machine()}.`,
)
