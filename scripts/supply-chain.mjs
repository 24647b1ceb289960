// `npm run task supply-chain`: where the crates and packages come from, what they are licensed for, and what is known against
// them. What could not be asked is no pass: it is reported, and fails the run, unless `--without-advisories` leaves it out.
// `--advisory-db FOLDER`: a clone of RustSec's database, for a machine that cannot fetch it.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { giveUp, installPackage, requireTools, root, run } from './lib/prepare.mjs'
import { machine, table, writeSection } from './lib/verification.mjs'
import { linkedCrates } from './release/crates.mjs'
import { attemptNpm } from './release/npm.mjs'
import { main, readJson, targets } from './release/targets.mjs'

const CARGO_DENY = '0.20.2'
const ADVISORIES = 'https://github.com/RustSec/advisory-db'

const { values } = parseArgs({
  options: { 'without-advisories': { type: 'boolean' }, 'advisory-db': { type: 'string' } },
})
const outcomes = []
const report = (name, verdict, detail) => {
  outcomes.push({ name, verdict, detail })
  console.log(`${verdict === 'passed' ? '' : '!! '}${name}: ${verdict}${detail ? `, ${detail}` : ''}`)
}

requireTools()
await installPackage()
const deny = await cargoDeny()

for (const check of ['licenses', 'bans', 'sources']) {
  const { status, output } = cargo(['check', '--hide-inclusion-graph', check])
  if (status !== 0) console.error(output)
  report(`crates, ${check}`, status === 0 ? 'passed' : 'failed', count(output, /^warning\[(\S+)\]/gm))
}
checkLockfiles()
if (values['without-advisories']) report('advisories', 'left out', 'as asked for')
else {
  adviseOnCrates()
  adviseOnPackages()
}

writeSection('Supply chain', page())
const wrong = outcomes.filter(({ verdict }) => verdict === 'failed' || verdict === 'not checked')
if (wrong.length > 0)
  giveUp(
    wrong
      .map(({ name, verdict, detail }) => `${name}: ${verdict.toUpperCase()}${detail ? `, ${detail}` : ''}`)
      .join('\n'),
  )

/** Built in target/tools where it is not installed: some minutes, once. */
async function cargoDeny() {
  const own = path.join(root, 'target', 'tools')
  const program = path.join(own, 'bin', `cargo-deny${process.platform === 'win32' ? '.exe' : ''}`)
  const versionOf = (file) => spawnSync(file, ['--version'], { encoding: 'utf8' }).stdout?.trim().split(' ').at(-1)
  if (versionOf('cargo-deny') === CARGO_DENY) return 'cargo-deny'
  if (versionOf(program) !== CARGO_DENY) {
    console.log('Building cargo-deny (some minutes, once) ...')
    await run('cargo', ['install', 'cargo-deny', '--version', CARGO_DENY, '--locked', '--quiet', '--root', own])
  }
  return program
}

function cargo(options, env) {
  const { status, stdout, stderr } = spawnSync(deny, ['--color', 'never', '--locked', ...options], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    env: { ...process.env, ...env },
  })
  return { status, output: `${stdout}${stderr}` }
}

function count(output, pattern) {
  const counts = {}
  for (const [, name] of output.matchAll(pattern)) counts[name] = (counts[name] ?? 0) + 1
  return Object.entries(counts)
    .map(([name, times]) => `${times} × ${name}`)
    .join(', ')
}

/** A checksum for everything that comes from a registry. */
function checkLockfiles() {
  const { packages } = readJson('package-lock.json')
  const bare = Object.entries(packages)
    .filter(([place, entry]) => place !== '' && !entry.link && !entry.integrity && !entry.inBundle)
    .map(([place]) => place)
  report(
    'packages, checksums in package-lock.json',
    bare.length === 0 ? 'passed' : 'failed',
    bare.join(', ') || `${Object.keys(packages).length - 1} packages`,
  )
  const entries = readFileSync(path.join(root, 'Cargo.lock'), 'utf8')
    .split('[[package]]')
    .filter((entry) => entry.includes('\nsource = '))
  const unsummed = entries.filter((entry) => !entry.includes('\nchecksum = ')).length
  report('crates, checksums in Cargo.lock', unsummed === 0 ? 'passed' : 'failed', `${entries.length} crates`)
  const { dependencies = {}, scripts } = main
  const hooks = ['preinstall', 'install', 'postinstall', 'prepare'].filter((name) => scripts[name])
  report(
    'what people install',
    Object.keys(dependencies).length + hooks.length === 0 ? 'passed' : 'failed',
    'no dependency, no script that npm runs',
  )
}

function adviseOnCrates() {
  const clone = values['advisory-db']
  const { options, env } = clone ? insteadOfFetching(path.resolve(clone)) : { options: [] }
  const { status, output } = cargo([...options, 'check', '--hide-inclusion-graph', 'advisories'], env)
  if (/failed to (?:fetch|load) advisory database/.test(output)) {
    return report(
      'crates, advisories',
      'not checked',
      'the database cannot be fetched from here; --advisory-db takes a clone of it',
    )
  }
  if (status !== 0) console.error(output)
  const found = count(output, /^(?:error|warning)\[(\S+)\]/gm)
  const date = () =>
    spawnSync('git', ['-C', clone, 'log', '-1', '--format=%cs', 'main'], { encoding: 'utf8' }).stdout.trim()
  report(
    'crates, advisories',
    status === 0 ? 'passed' : 'failed',
    [clone && `by RustSec's database as of ${date()}`, found].filter(Boolean).join(', '),
  )
}

/** Has git take that clone for the database, and cargo-deny its copy into a folder that ends with us. */
function insteadOfFetching(clone) {
  const folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-advisories-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const config = path.join(folder, 'deny.toml')
  // The advisories are its last section.
  writeFileSync(
    config,
    `${readFileSync(path.join(root, 'deny.toml'), 'utf8')}db-path = ${JSON.stringify(path.join(folder, 'databases'))}\n`,
  )
  const env = {
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: `url.${pathToFileURL(clone).href}.insteadOf`,
    GIT_CONFIG_VALUE_0: ADVISORIES,
  }
  return { options: ['--config', config], env }
}

function adviseOnPackages() {
  const { status, stdout } = attemptNpm('audit', '--json', '--audit-level=high')
  const report = parse(stdout)
  const found = report?.metadata?.vulnerabilities
  if (!found)
    return report(
      'packages for development, advisories',
      'not checked',
      `npm audit has no response from here (${report?.statusCode ?? 'none'})`,
    )
  const some = Object.entries(found)
    .filter(([level, times]) => level !== 'total' && times > 0)
    .map(([level, times]) => `${times} × ${level}`)
  report('packages for development, advisories', status === 0 ? 'passed' : 'failed', some.join(', '))
}

function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function page() {
  const sizes = targets.map(({ triple, platform }) => [platform, linkedCrates(triple).crates.length])
  const heads = ['check', 'outcome', '']
  const lines = outcomes.map(({ name, verdict, detail }) => [
    name,
    verdict === 'passed' ? verdict : `**${verdict}**`,
    detail || '',
  ])
  return `
cargo-deny ${CARGO_DENY} with \`deny.toml\`, npm audit, and the lockfiles. A \`duplicate\` is a crate of which two versions are linked.

${table(heads, lines)}

Crates in the binaries: ${sizes.map(([platform, size]) => `${platform} ${size}`).join(', ')}. Each binary's package has its bill of materials
(\`sbom.cdx.json\`, CycloneDX 1.6) and the licences (\`THIRD-PARTY-LICENSES.txt\`) with it.

\`npm run task supply-chain\`, ${machine()}.
`
}
