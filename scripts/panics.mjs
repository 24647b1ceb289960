// `npm run task panics`: builds the addon from a copy of its source in which every export, and every future that it
// gives, panics on command; then lets each panic, in a process of its own. What is published has no such command.

import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { giveUp, requireTools, root } from './lib/prepare.mjs'
import { machine, writeSection } from './lib/verification.mjs'

const NAME = 'reliable-r2-panics'
const EXPORT = /#\[napi\([^\]]*\bcatch_unwind\b[^\]]*\)\](?:\s*(?:#\[[^\]]*\]|\/\/[^\n]*))*\s*pub fn (\w+)/g
const FUTURE = /(?:AsyncBlockBuilder::new\(|results\s*\.expect\(env, id,)\s*async move \{/g
const COMMAND = `
pub(crate) fn panic_at(place: &str) {
    if std::env::var("PANIC_AT").is_ok_and(|wanted| wanted == place) {
        panic!("on command at {place}");
    }
}
`

requireTools()
const folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-panics-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const places = instrument()
const addon = build()
const failed = places.filter((place) => !survives(place))
console.log(`${places.length - failed.length} passed, ${failed.length} failed`)
if (failed.length > 0) giveUp(`The N-API boundary does not hold at: ${failed.join(', ')}`)
if (process.argv.includes('--report')) writeSection('Panics', report())

/** Copies the source and puts a command before the body of each export and of each future. */
function instrument() {
  for (const name of ['src', 'build.rs', 'Cargo.lock'])
    cpSync(path.join(root, name), path.join(folder, name), { recursive: true })
  // A crate by itself and of another name, so that its build leaves that of the addon alone.
  const manifest = readFileSync(path.join(root, 'Cargo.toml'), 'utf8')
    .replace(/^members = .*$/m, '')
    .replace(/^name = "reliable-r2"$/m, `name = "${NAME}"`)
    .replace(/^\[\[example\]\]\n(?:.+\n)+/m, '')
    .replace(/^\[dev-dependencies\]\n(?:.+\n)+/m, '')
  writeFileSync(path.join(folder, 'Cargo.toml'), manifest)
  const binding = path.join(folder, 'src', 'binding')
  return readdirSync(binding).flatMap((file) => instrumentFile(path.join(binding, file)))
}

function instrumentFile(file) {
  const module = path.basename(file, '.rs')
  let text = readFileSync(file, 'utf8')
  const places = []
  const insert = (at, place) => {
    places.push(place)
    text = `${text.slice(0, at)} crate::binding::panic_at("${place}");${text.slice(at)}`
  }
  // From the end, so that the places before stay where they are.
  for (const { 0: future, index } of [...text.matchAll(FUTURE)].reverse()) {
    const [, around] = [...text.slice(0, index).matchAll(/pub fn (\w+)/g)].at(-1)
    insert(index + future.length, `${module}::${around}, later`)
  }
  for (const { 0: head, 1: name, index } of [...text.matchAll(EXPORT)].reverse()) {
    insert(text.indexOf('{', endOfArguments(text, index + head.length)) + 1, `${module}::${name}`)
  }
  writeFileSync(file, module === 'mod' ? text + COMMAND : text)
  return places.reverse()
}

function endOfArguments(text, from) {
  let depth = 0
  for (let at = text.indexOf('(', from); ; at += 1) {
    if (text[at] === '(') depth += 1
    if (text[at] === ')' && (depth -= 1) === 0) return at
  }
}

function build() {
  const target = path.join(root, 'target')
  const { status, stdout } = spawnSync(
    'cargo',
    ['build', '--lib', '--offline', '--quiet', '--message-format=json-render-diagnostics'],
    {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, CARGO_TARGET_DIR: target },
    },
  )
  if (status !== 0) giveUp('the copy could not be built')
  const built = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
  const library = built
    .flatMap(({ target, filenames }) => (target?.name === NAME.replaceAll('-', '_') ? filenames : []))
    .find((file) => /\.(so|dylib|dll)$/.test(file))
  const addon = path.join(folder, 'panics.node')
  copyFileSync(library, addon)
  return addon
}

/** Whether the process lives, and all that its calls rejected with is typed. */
function survives(place) {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [path.join(root, '__test__', 'panics', 'program.js')],
    {
      encoding: 'utf8',
      timeout: 60_000,
      env: {
        ...process.env,
        NODE_ENV: 'production',
        NODE_OPTIONS: `--require ${path.join(root, '__test__', 'support', 'other-addon.js')}`,
        OTHER_ADDON: addon,
        PANIC_AT: place,
      },
    },
  )
  const reached = stderr.includes(`on command at ${place}`)
  const sound = status === 0 && reached
  console.log(`${sound ? 'ok' : 'not ok'}  ${place}${reached ? '' : ' (was not reached)'}`)
  if (!sound) console.log(`exit ${status} ${signal ?? ''}\n${stdout}${stderr}`.replace(/^/gm, '    '))
  return sound
}

function report() {
  return `\`npm run task panics\` builds the addon from a copy of its source in which each export, and each future that one \
gives, panics on command, and calls the package in a process of its own for each: every call ends, what it rejects with or \
throws is a \`StorageError\` with the code \`ERR_INTERNAL\`, and the process lives. The command is not in the source, so it \
cannot be in what is published. Part of \`.ci/run\`.

${places.length} of ${places.length} places hold, on ${new Date().toISOString().slice(0, 10)}; ${machine()}.`
}
