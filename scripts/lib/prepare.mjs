// What every command needs before it can start: tools, packages, builds. Each step is skipped when what it
// makes is newer than what it is made of.

import { spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..')

const onWindows = process.platform === 'win32'

/** Says plainly what is missing, and ends the command. */
export function giveUp(message) {
  console.error(`\n${message}\n`)
  process.exit(1)
}

/** Runs a command to its end; a failure ends this one with the same code. */
export function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', shell: onWindows, ...options })
    child.on('error', (error) => giveUp(`${command} could not be started: ${error.message}`))
    child.on('exit', (code, signal) => (code === 0 ? resolve() : process.exit(signal ? 1 : code)))
  })
}

/** What a command prints; a failure ends this one. */
export function read(command, args, env = process.env) {
  const { status, stdout } = spawnSync(command, args, {
    cwd: root,
    env,
    encoding: 'utf8',
    maxBuffer: 2 ** 29,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) giveUp(`${command} failed`)
  return stdout
}

/** What rustc calls this machine. */
export const hostTriple = () => /^host: (.+)$/m.exec(read('rustc', ['-vV']))[1]

/** The Node tests in these folders of __test__, but those of the names that are left out. */
export function testFiles(folders, leftOut = []) {
  return folders.flatMap((folder) => {
    const place = path.join('__test__', folder)
    const names = readdirSync(path.join(root, place)).filter(
      (name) => name.endsWith('.test.js') && !leftOut.includes(name),
    )
    return names.map((name) => path.join(place, name))
  })
}

export function requireTools() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 9)) {
    giveUp(`Node ${process.versions.node} is too old: reliable-r2 needs 20.9 or later.`)
  }
  if (spawnSync('cargo', ['--version'], { stdio: 'ignore', shell: onWindows }).status !== 0) {
    giveUp(
      'Rust is missing: there is no cargo on the PATH.\nInstall it from https://rustup.rs, open a new terminal, and run the command again.',
    )
  }
}

/** The newest change among files and folders, in milliseconds. */
export function newest(...places) {
  return Math.max(0, ...places.map((place) => newestOf(path.resolve(root, place))))
}

function newestOf(place) {
  if (!existsSync(place)) return 0
  const facts = statSync(place)
  if (!facts.isDirectory()) return facts.mtimeMs
  return Math.max(0, ...readdirSync(place).map((name) => newestOf(path.join(place, name))))
}

/** Installs a folder's packages when its lockfile is newer than what is installed. */
export async function install(folder) {
  const installed = newest(path.join(folder, 'node_modules', '.package-lock.json'))
  if (installed > 0 && installed >= newest(path.join(folder, 'package-lock.json'), path.join(folder, 'package.json')))
    return
  console.log(`Installing packages${folder === '.' ? '' : ` of ${folder}`} ...`)
  await audibly(
    run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: path.resolve(root, folder) }),
  )
}

/** Says now and then that something continues which says nothing by itself. */
async function audibly(work) {
  const begun = Date.now()
  const timer = setInterval(
    () => console.log(`  still at it after ${Math.round((Date.now() - begun) / 1000)} s ...`),
    15_000,
  )
  try {
    await work
  } finally {
    clearInterval(timer)
  }
}

export const installPackage = () => install('.')

const SOURCES = ['src', 'Cargo.toml', 'Cargo.lock', 'build.rs']

function addon() {
  return readdirSync(root).filter((name) => /^reliable-r2\..+\.node$/.test(name))
}

/** The addon: as it was built last if that is fresh (`npm run build` makes the one to publish), else quickly. */
export async function buildAddon() {
  const built = addon()
  if (built.length > 0 && newest(...built) >= newest(...SOURCES)) return
  console.log('Building the addon (some minutes the first time) ...')
  await run('npm', ['run', '--silent', 'build:debug'])
}

export async function buildLab() {
  console.log('Building the local R2 (some minutes the first time) ...')
  // Not --quiet: cargo's own progress is all that distinguishes the first build from one that hangs.
  await run('cargo', ['build', '--package', 'reliable-r2-lab'])
}

/** What whatever runs the package beside the local R2 needs; and the packages of other folders. */
export async function prepareAll(...folders) {
  requireTools()
  for (const folder of ['.', ...folders]) await install(folder)
  await buildLab()
  await buildAddon()
}

export const example = path.join('examples', 'next-app')

/** The example app, with this package in it as npm would install it, ready for `next start`. */
export async function buildExample() {
  await install(example)
  placePackage(path.join(root, example, 'node_modules', 'reliable-r2'))
  const built = newest(path.join(example, '.next', 'BUILD_ID'))
  const sources = ['src', 'public', 'next.config.ts', 'package-lock.json'].map((name) => path.join(example, name))
  if (built >= newest(...sources, 'package.json', 'index.d.ts', 'types', 'lib')) return
  console.log('Building the example app ...')
  await run('npm', ['run', '--silent', 'build'], {
    cwd: path.join(root, example),
    env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1' },
  })
}

/** What a user gets from the package and from the package of its platform, in one folder. */
export function placePackage(folder) {
  const listing = spawnSync('npm', ['pack', '--dry-run', '--json', '--loglevel=error'], {
    cwd: root,
    encoding: 'utf8',
    shell: onWindows,
  })
  if (listing.status !== 0) giveUp(`npm pack failed:\n${listing.stderr}`)
  const [{ files }] = JSON.parse(listing.stdout)
  for (const file of [...files.map((entry) => entry.path), ...addon()]) {
    cpSync(path.join(root, file), path.join(folder, file), { preserveTimestamps: true })
  }
}
