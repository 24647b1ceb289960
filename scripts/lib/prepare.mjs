// What every command needs before it can start: tools, packages, builds. Each step is skipped when what it
// makes is newer than what it is made of.

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
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

export function requireTools() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 9)) {
    giveUp(`Node ${process.versions.node} is too old: reliable-r2 needs 20.9 or later.`)
  }
  if (spawnSync('cargo', ['--version'], { stdio: 'ignore', shell: onWindows }).status !== 0) {
    giveUp('Rust is missing: there is no cargo on the PATH.\nInstall it from https://rustup.rs, open a new terminal, and run the command again.')
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
  if (installed > 0 && installed >= newest(path.join(folder, 'package-lock.json'), path.join(folder, 'package.json'))) return
  console.log(`Installing packages${folder === '.' ? '' : ` of ${folder}`} ...`)
  await run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: path.resolve(root, folder) })
}

export const installPackage = () => install('.')

const SOURCES = ['src', 'Cargo.toml', 'Cargo.lock', 'build.rs']

function addon() {
  return readdirSync(root).filter((name) => /^reliable-r2\..+\.node$/.test(name))
}

function addonIsFresh() {
  const built = addon()
  return built.length > 0 && newest(...built) >= newest(...SOURCES)
}

/** The addon as it is published. Takes some minutes the first time. */
export async function buildAddon() {
  if (addonIsFresh()) return
  console.log('Building the addon in release mode (some minutes the first time) ...')
  await run('npm', ['run', '--silent', 'build'])
}

/** The addon in whatever mode it was built last, else in the quick one. */
export async function buildAddonForTests() {
  if (addonIsFresh()) return
  console.log('Building the addon in debug mode ...')
  await run('npm', ['run', '--silent', 'build:debug'])
}

export async function buildLab() {
  console.log('Building the local R2 ...')
  await run('cargo', ['build', '--quiet', '--package', 'reliable-r2-lab'])
}
