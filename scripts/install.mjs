// `npm run task install`: the tarballs that would be published, installed by npm into fresh Next.js apps whose routes
// upload to a local R2: in `next dev`, in `next start`, and in a copy of the standalone folder alone. Next.js 14, 15 and
// 16, and the report in docs/reports/verification.md; or one of them: `npm run task install -- 16`. `--built` leaves out dev.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startLocalR2 } from './lib/local-r2.mjs'
import { freePort, startServer } from './lib/next-app.mjs'
import { giveUp, prepareAll, root } from './lib/prepare.mjs'
import { machine, table, writeSection } from './lib/verification.mjs'
import { clear, packMain, packPlaceholder, packPlatform } from './release/pack.mjs'
import { hostTarget, main, targets } from './release/targets.mjs'

const EXTERNAL = `serverExternalPackages: ['reliable-r2']`
const OLD_EXTERNAL = `experimental: { serverComponentsExternalPackages: ['reliable-r2'], instrumentationHook: true }`
const APPS = {
  14: { next: '14.2.35', react: '18.3.1', config: OLD_EXTERNAL },
  15: { next: '15.5.29', react: '19.3.1', config: EXTERNAL },
  16: { next: '16.4.6', react: '19.3.1', config: EXTERNAL },
}
const STEPS = ['install', 'dev', 'build', 'start', 'standalone']
const TOKEN = randomBytes(16).toString('hex')
/** In one request, and in parts. */
const SIZES = [100_000, 18 * 1024 * 1024]

const built = process.argv.includes('--built')
const named = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const unknown = named.find((version) => !APPS[version])
if (unknown) giveUp(`There is no app for Next.js ${unknown}, but for ${Object.keys(APPS).join(', ')}.`)

await prepareAll()

const work = mkdtempSync(path.join(tmpdir(), 'reliable-r2-install-'))
const r2 = await startLocalR2(path.join(work, 'r2'))
const tarballs = packRelease()
const rows = []
try {
  for (const version of named.length > 0 ? named : Object.keys(APPS)) rows.push(await check(version))
} finally {
  await r2.stop()
  rmSync(work, { recursive: true, force: true })
}
if (!built && named.length === 0) writeSection('Installed into Next.js', report())

/** All packages of a release. Those of other systems are there for npm to leave alone. */
function packRelease() {
  clear()
  const host = hostTarget()
  const platforms = targets.map((target) => [
    target.manifest.name,
    target === host ? packPlatform(target) : packPlaceholder(target),
  ])
  return { main: packMain(), platforms: Object.fromEntries(platforms) }
}

async function check(version) {
  const app = { ...APPS[version], folder: path.join(work, `next-${version}`) }
  const next = path.join(app.folder, 'node_modules', 'next', 'dist', 'bin', 'next')
  const row = { version: app.next }
  const step = async (name, action) => {
    const begun = performance.now()
    await action()
    row[name] = Math.round((performance.now() - begun) / 1000)
    console.log(`Next.js ${app.next}, ${name}: passed in ${row[name]} s`)
  }
  await step('install', () => install(app))
  if (!built) await step('dev', () => serve(`${version}/dev`, app.folder, [next, 'dev', '--port']))
  await step('build', () => run(process.execPath, [next, 'build'], app.folder))
  await step('start', () => serve(`${version}/start`, app.folder, [next, 'start', '--port']))
  const alone = path.join(work, `standalone-${version}`)
  cpSync(path.join(app.folder, '.next', 'standalone'), alone, { recursive: true, verbatimSymlinks: true })
  // What it takes from anywhere else must be missing.
  rmSync(app.folder, { recursive: true })
  await step('standalone', () => serve(`${version}/standalone`, alone, ['server.js']))
  return row
}

/** A fresh app, with the tarballs instead of what a registry would give under these names. */
async function install({ next, react, config, folder }) {
  cpSync(path.join(root, '__test__', 'install', 'app'), folder, { recursive: true })
  writeFileSync(path.join(folder, 'next.config.mjs'), `export default { output: 'standalone', ${config} }\n`)
  const overrides = Object.fromEntries(Object.entries(tarballs.platforms).map(([name, file]) => [name, `file:${file}`]))
  const dependencies = { next, react, 'react-dom': react, 'reliable-r2': `file:${tarballs.main}` }
  const manifest = { name: 'fresh', version: '1.0.0', private: true, dependencies, overrides }
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest, null, 2))
  await run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], folder)

  const installed = readdirSync(path.join(folder, 'node_modules')).filter((name) => name.startsWith('reliable-r2'))
  assert.deepEqual(
    installed,
    ['reliable-r2', hostTarget().manifest.name],
    'the package and that of this system, no other',
  )
}

async function serve(name, cwd, args) {
  const port = await freePort()
  const env = { ...r2.env, DASHBOARD_TOKEN: TOKEN, HOSTNAME: 'localhost', NODE_ENV: undefined, NODE_PATH: undefined }
  const whole = args.at(-1) === '--port' ? [...args, String(port)] : args
  const server = await startServer(whole, { cwd, port, env, stdio: ['ignore', 'ignore', 'inherit'] })
  try {
    for (const route of ['upload', 'pages-router']) {
      for (const size of SIZES) await upload(server.url, route, `${name}/${route}-${size}.bin`, size)
    }
    for (const route of ['ops', 'metrics']) {
      const response = await fetch(`${server.url}/${route}`, { headers: { authorization: `Bearer ${TOKEN}` } })
      assert.equal(response.status, 200, route)
      await response.body.cancel()
    }
    const refused = await fetch(`${server.url}/api/upload?key=a//b`, { method: 'POST', body: 'x' })
    const { code, userMessage, ...others } = await refused.json()
    assert.deepEqual([refused.status, code, others], [400, 'ERR_INVALID_KEY', {}], userMessage)
  } finally {
    await server.stop()
  }
}

async function upload(url, route, key, size) {
  const body = randomBytes(size)
  const reply = await fetch(`${url}/api/${route}?key=${key}`, { method: 'POST', body })
  const text = await reply.text()
  assert.equal(reply.status, 200, `${route}: ${text}`)
  assert.equal(JSON.parse(text).size, size)
  const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')
  assert.equal(sha256(readFileSync(path.join(r2.data, key))), sha256(body), 'what is stored')
}

/** Runs a command quietly; what it said is reported when it fails. */
function run(command, args, cwd) {
  mkdirSync(cwd, { recursive: true })
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: undefined, NODE_PATH: undefined }
  const child = spawn(command, args, { cwd, env, shell: process.platform === 'win32' && command === 'npm' })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command} ${args.join(' ')} ended with ${code}:\n${output}`)),
    )
  })
}

function report() {
  const lines = rows.map((row) => [row.version, ...STEPS.map((name) => `${row[name]} s`)])
  return `
The tarballs of a release, installed by npm into a fresh app with one line in \`next.config\`: \`${EXTERNAL}\`;
for Next.js 14 \`${OLD_EXTERNAL}\`, whose
second half is for \`instrumentation.js\` alone. npm takes the binary of its system and leaves the six others.

${table(['Next.js', ...STEPS], lines)}

Each step passed, in that time. In \`dev\`, \`start\` and \`standalone\`, a route handler and a route of the Pages Router each
store ${SIZES[0]} bytes (one request) and ${SIZES[1]} bytes (in parts) of a streamed body, which are compared on the server's disk, and the
dashboard responds. \`standalone\` is \`server.js\` in a copy of \`.next/standalone\`, with the app and its \`node_modules\` removed.
Bundlers are the defaults: Turbopack for 16 and webpack before.

\`npm run task install\`, reliable-r2 ${main.version}, ${machine()}.
`
}
