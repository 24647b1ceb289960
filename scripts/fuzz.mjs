// `npm run task fuzz -- [seconds] [target ...]`: libFuzzer searches for inputs that break a property of fuzz/properties, so many
// seconds each (60), and keeps those that reach something new. A whole run of a minute writes docs/reports/verification.md.

import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { giveUp, root } from './lib/prepare.mjs'
import { machine, table, writeSection } from './lib/verification.mjs'

/** More frames help people less than they cost the tests' clock. */
const MOST_KEPT = 36
/** What is found is to be looked at. */
const LONGEST_BYTES = 512

const [seconds = '60', ...chosen] = process.argv.slice(2)
if (!(Number(seconds) >= 1)) giveUp('The first argument is how many seconds each target runs.')
const corpus = (name) => path.join(root, 'fuzz', 'corpus', name)
const targets = chosen.length > 0 ? chosen : readdirSync(corpus('.'))

const { flags, environment } = toolchain()
const rows = []
for (const name of targets) {
  // What is found and not worth keeping for others continues from here next time.
  const found = path.join(root, 'fuzz', 'target', 'corpus', name)
  mkdirSync(found, { recursive: true })
  const { code, output } = await fuzz(
    'run',
    name,
    found,
    corpus(name),
    '--',
    `-max_total_time=${seconds}`,
    `-max_len=${LONGEST_BYTES}`,
    '-timeout=10',
    '-print_final_stats=0',
  )
  if (code !== 0)
    giveUp(
      `${name} has an input that breaks its property; it is in fuzz/artifacts/${name}.\nPut it into fuzz/corpus/${name}, and the test of tests/corpus.rs fails until it is fixed.`,
    )
  const added = await keep(name, found)
  const [, runs] = /Done (\d+) runs in/.exec(output) ?? []
  const [, cov, features] = [...output.matchAll(/cov: (\d+) ft: (\d+)/g)].at(-1) ?? []
  rows.push([name, runs, cov, features, String(readdirSync(corpus(name)).length), String(added)])
  console.log(`${name}: ${runs} runs, ${added} kept`)
}
if (chosen.length === 0 && Number(seconds) >= 60) writeSection('Fuzzing', report())

/** Adds to the corpus, of what was found, the fewest inputs that reach all that is reached, the short ones first. */
async function keep(name, found) {
  const before = new Set(readdirSync(corpus(name)))
  const { code } = await fuzz('run', name, corpus(name), found, '--', '-set_cover_merge=1', `-max_len=${LONGEST_BYTES}`)
  if (code !== 0) giveUp(`the corpus of ${name} could not be made smaller`)
  const size = (file) => statSync(path.join(corpus(name), file)).size
  const added = readdirSync(corpus(name))
    .filter((file) => !before.has(file))
    .sort((a, b) => size(a) - size(b))
  const surplus = added.splice(Math.max(0, MOST_KEPT - before.size))
  for (const file of surplus) rmSync(path.join(corpus(name), file))
  return added.length
}

/** Sanitizers and coverage are for compilers of the nightly channel, or for one that is instructed to act as one. */
function toolchain() {
  const nightly = spawnSync('cargo', ['+nightly', '--version'], { encoding: 'utf8' })
  if (spawnSync('cargo', ['fuzz', '--version'], { stdio: 'ignore' }).status !== 0)
    giveUp('cargo-fuzz is missing: cargo install cargo-fuzz --locked')
  return nightly.status === 0
    ? { flags: ['+nightly'], environment: {} }
    : { flags: [], environment: { RUSTC_BOOTSTRAP: '1' } }
}

function fuzz(command, ...args) {
  const child = spawn('cargo', [...flags, 'fuzz', command, ...args], {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'inherit', 'pipe'],
  })
  let output = ''
  child.stderr.on('data', (text) => {
    output += text
  })
  return new Promise((resolve) => {
    child.on('exit', (code) => {
      if (code !== 0) process.stderr.write(output.slice(-8000))
      resolve({ code, output })
    })
  })
}

function report() {
  return `\`npm run task fuzz\` has libFuzzer search for an input that breaks one of the properties in \`fuzz/properties\` (what a server \
writes: errors, ETags, ranges, \`Retry-After\`; what callers and untrusted senders write: keys, metadata, URLs, checkpoints), ${seconds} s \
each, under AddressSanitizer. Inputs that reach something new are kept in \`fuzz/corpus\`; \`tests/corpus.rs\` tries each of \
them, and 100 changes of each, in every run of \`cargo test\`.

No input was found that breaks its property, on ${new Date().toISOString().slice(0, 10)}; ${machine()}.

${table(['target', 'inputs tried', 'branches reached', 'features', 'inputs kept', 'new'], rows)}`
}
