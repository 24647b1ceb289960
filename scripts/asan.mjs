// `npm run task asan`: builds the addon under AddressSanitizer and runs the Node tests with it, so that a read or a write
// beside or behind what is allocated, on either side of the N-API boundary, ends the test. First a library that does that on
// purpose has to be caught. Linux with gcc, whose runtime of the sanitizer is put before all else in each process.

import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { buildLab, giveUp, hostTriple, installPackage, read, requireTools, root, testFiles } from './lib/prepare.mjs'
import { machine, writeSection } from './lib/verification.mjs'

/** By file, and why. */
const LEFT_OUT = {
  'leaks.test.js': 'measures memory, of which what is freed is kept for a while here',
  'crash.test.js': 'kills processes after times that are meant for the addon at its usual speed',
}

if (process.platform !== 'linux') giveUp('npm run task asan needs Linux.')
requireTools()
await installPackage()
await buildLab()
const host = hostTriple()
const runtime = read('gcc', ['-print-file-name=libasan.so']).trim()
if (!path.isAbsolute(runtime)) giveUp('gcc has no AddressSanitizer: install libasan.')

const folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-asan-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
// Sanitizers are for compilers of the nightly channel, or for one that is instructed to act as one.
const compiler = { ...process.env, RUSTC_BOOTSTRAP: '1' }
const reports = path.join(folder, 'report')
const watched = {
  ...process.env,
  LD_PRELOAD: runtime,
  // Node.js handles its own SIGSEGV, and what it keeps to its end is no leak of ours (npm run task leaks).
  ASAN_OPTIONS: `detect_leaks=0:handle_segv=0:log_path=${reports}`,
}

catchesWhatItIsFor()
// What one of the tests asks how Rust reads a URL.
read('cargo', ['build', '--quiet', '--no-default-features', '--example', 'parse-urls'])
console.log('Building the addon under AddressSanitizer (some minutes the first time) ...')
const addon = build()
const tests = testFiles(['facade', 'faults', 'cli', 'testing'], Object.keys(LEFT_OUT))
const { status, stdout } = spawnSync(process.execPath, ['--test', '--test-reporter=tap', ...tests], {
  cwd: root,
  env: {
    ...watched,
    NODE_OPTIONS: `--require ${path.join(root, '__test__', 'support', 'other-addon.js')}`,
    OTHER_ADDON: addon,
  },
  encoding: 'utf8',
  maxBuffer: 2 ** 28,
  stdio: ['ignore', 'pipe', 'inherit'],
})
const found = findings()
if (status !== 0)
  console.log(
    stdout
      .split('\n')
      .filter((line) => /^\s*not ok|error:|^# /.test(line))
      .join('\n'),
  )
if (found) giveUp(found)
if (status !== 0) giveUp('Tests failed under AddressSanitizer, which itself found nothing.')
const passed = /^# pass (\d+)$/m.exec(stdout)[1]
console.log(`${passed} tests passed, AddressSanitizer found nothing`)
writeSection(
  'AddressSanitizer',
  `\`npm run task asan\` builds the addon's Rust code, that of all crates with it, under AddressSanitizer, and runs the Node \
tests with it: uploads through faults, streams, cancellation, worker threads that end. Before, \
a library that uses freed memory on purpose has to be caught.

${passed} tests passed, nothing was found, on ${new Date().toISOString().slice(0, 10)}; ${machine()}. Left out: \
${Object.entries(LEFT_OUT)
  .map(([file, why]) => `\`${file}\`, which ${why}`)
  .join('; ')}.`,
)

/** A check that cannot fail says nothing. */
function catchesWhatItIsFor() {
  const source = path.join(folder, 'canary.rs')
  writeFileSync(
    source,
    `#[used]
#[unsafe(link_section = ".init_array")]
static ON_LOAD: extern "C" fn() = use_after_free;
extern "C" fn use_after_free() {
    let freed = Box::into_raw(Box::new(7_u64));
    unsafe {
        drop(Box::from_raw(freed));
        std::hint::black_box(std::ptr::read_volatile(freed));
    }
}
`,
  )
  const canary = path.join(folder, 'canary.node')
  read(
    'rustc',
    ['--edition=2024', '--crate-type=cdylib', '-Zsanitizer=address', `--target=${host}`, '-o', canary, source],
    compiler,
  )
  spawnSync(process.execPath, ['-e', `process.dlopen({ exports: {} }, ${JSON.stringify(canary)})`], { env: watched })
  if (!findings().includes('heap-use-after-free'))
    giveUp('AddressSanitizer does not see what it is for; nothing was tested.')
  for (const file of reportFiles()) rmSync(file)
}

function build() {
  // A folder of its own: flags that differ would have everything built anew, here and there in turn.
  const target = path.join(root, 'target', 'asan')
  // Without mimalloc, in whose memory AddressSanitizer would see nothing.
  read(
    'cargo',
    ['build', '--lib', '--no-default-features', '--features', 'binding', '--locked', '--quiet', '--target', host],
    {
      ...compiler,
      CARGO_TARGET_DIR: target,
      CARGO_PROFILE_DEV_DEBUG: 'line-tables-only',
      RUSTFLAGS: '-Zsanitizer=address',
    },
  )
  const addon = path.join(folder, 'asan.node')
  copyFileSync(path.join(target, host, 'debug', 'libreliable_r2.so'), addon)
  return addon
}

/** One for each process that something was found in. */
function reportFiles() {
  return readdirSync(folder)
    .filter((name) => name.startsWith('report.'))
    .map((name) => path.join(folder, name))
}

function findings() {
  return reportFiles()
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n')
}
