// `npm run task docs`: every TypeScript example of the README and the docs, built by Next.js with Turbopack in an app as
// create-next-app makes it (TypeScript, App Router, cacheComponents). The routes of the README and of docs/monitoring.md are
// then called, in `next start` and in `next dev`.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { typeScriptExamples } from './lib/doc-blocks.mjs'
import { startLocalR2 } from './lib/local-r2.mjs'
import { freePort, startServer } from './lib/next-app.mjs'
import { placePackage, prepareAll, root } from './lib/prepare.mjs'

/** What create-next-app 16 writes besides what the README adds. */
const CREATED = 'cacheComponents: true,\n  partialPrefetching: true,'
const TOKEN = randomBytes(16).toString('hex')
const PNG = Buffer.concat([Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), randomBytes(50_000)])

await prepareAll()
const work = mkdtempSync(path.join(tmpdir(), 'reliable-r2-docs-app-'))
const app = path.join(work, 'app')
const next = path.join(app, 'node_modules', 'next', 'dist', 'bin', 'next')
const r2 = await startLocalR2(path.join(work, 'r2'))
try {
  const examples = typeScriptExamples()
  await step('install', install)
  writeExamples(examples)
  await step(`build of ${examples.length} examples`, () => run(process.execPath, [next, 'build'], withoutStorage()))
  checkRoutes(examples)
  await step('next start: /api/metrics', () => serve('start', checkMetrics))
  await step('next dev: /api/upload', () => serve('dev', checkUpload))
} finally {
  await r2.stop()
  rmSync(work, { recursive: true, force: true })
}

async function step(name, action) {
  const begun = performance.now()
  await action()
  console.log(`${name}: passed in ${Math.round((performance.now() - begun) / 1000)} s`)
}

async function install() {
  cpSync(path.join(root, '__test__', 'docs', 'next-app'), app, { recursive: true })
  await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], process.env)
  placePackage(path.join(app, 'node_modules', 'reliable-r2'))
}

function writeExamples(examples) {
  for (const { page, place, code } of examples) {
    const file = path.join(app, place)
    assert.ok(!existsSync(file), `two examples are ${place}, one of them in ${page}`)
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, place === 'next.config.ts' ? withDefaults(code) : code)
    if (code.includes("'./save-picture.js'"))
      cpSync(path.join(root, 'examples', 'testing', 'save-picture.js'), path.join(app, 'examples', 'save-picture.js'))
  }
  assert.ok(existsSync(path.join(app, 'next.config.ts')), 'the README has a next.config.ts')
}

/** The line of the README, in the file that create-next-app has made. */
function withDefaults(code) {
  const begin = 'const nextConfig: NextConfig = {'
  assert.ok(code.includes(begin), 'the config of the README has the form of that of create-next-app')
  return code.replace(begin, `${begin}\n  ${CREATED}`)
}

/** Every example that is a route has become one, and none of them was rendered at build time. */
function checkRoutes(examples) {
  const read = (...names) => JSON.parse(readFileSync(path.join(app, '.next', ...names), 'utf8'))
  const built = Object.keys(read('app-path-routes-manifest.json'))
  const prerendered = Object.keys(read('prerender-manifest.json').routes)
  const routes = examples.map(({ place }) => /^app(\/.*\/route)\.ts$/.exec(place)?.[1]).filter(Boolean)
  assert.ok(routes.length >= 4, String(routes))
  for (const route of routes) {
    assert.ok(built.includes(route), `${route} is not among ${built}`)
    assert.ok(!prerendered.includes(path.posix.dirname(route)), `${route} was rendered at build time`)
  }
}

async function checkMetrics(url) {
  const scrape = (authorization) => fetch(`${url}/api/metrics`, { headers: authorization ? { authorization } : {} })
  assert.equal((await scrape()).status, 401)
  const response = await scrape(`Bearer ${TOKEN}`)
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'application/openmetrics-text; version=1.0.0; charset=utf-8')
  assert.doesNotMatch(await response.text(), /operation="uploadFile",outcome="succeeded"/)
  const saved = await fetch(`${url}/api/save`, {
    method: 'PUT',
    body: 'a note',
    headers: { 'content-type': 'text/plain' },
  })
  assert.equal(saved.status, 200, await saved.text())
  assert.match(
    await (await scrape(`Bearer ${TOKEN}`)).text(),
    /operation="uploadFile",outcome="succeeded"\} 1/,
    'it is live',
  )
  assert.equal((await fetch(`${url}/ops/storage`)).status, 401)
  const refused = await upload(url, new Blob([PNG], { type: 'image/png' }))
  assert.equal(refused.status, 401, 'until the reader writes a session check, only next dev may upload')
}

async function checkUpload(url) {
  const stored = await upload(url, new Blob([PNG], { type: 'image/png' }))
  assert.equal(stored.status, 200, JSON.stringify(stored.body))
  const key = new URL(stored.body.url).pathname.split('/').slice(-2).join('/')
  assert.match(key, /^inputs\/[0-9a-f-]{36}\.png$/)
  assert.ok(readFileSync(path.join(r2.data, key)).equals(PNG), 'what is stored is the file, without the form around it')

  const statuses = [
    [await upload(url, new Blob(['<script>'], { type: 'text/html' })), 415],
    [await upload(url, new Blob(['x'], { type: 'constructor' })), 415],
    [await upload(url, new Blob([Buffer.alloc(10_000_001)], { type: 'image/png' })), 413],
    [await send(url, new FormData()), 400],
    [await send(url, 'not a form'), 400],
  ]
  for (const [{ status, body }, expected] of statuses) {
    assert.equal(status, expected, JSON.stringify(body))
    assert.match(body.userMessage, /^[A-Z].*\.$/)
  }
  assert.equal(
    readdirSync(path.join(r2.data, 'inputs')).filter((name) => name.endsWith('.png')).length,
    1,
    'nothing else is stored',
  )
  const page = await fetch(`${url}/upload`)
  assert.match(await page.text(), /type="file"/)
}

function upload(url, file) {
  const form = new FormData()
  form.set('file', file, 'cat.png')
  return send(url, form)
}

async function send(url, body) {
  const response = await fetch(`${url}/api/upload`, { method: 'POST', body })
  return { status: response.status, body: await response.json() }
}

async function serve(command, check) {
  const port = await freePort()
  const env = { ...r2.env, METRICS_TOKEN: TOKEN, DASHBOARD_TOKEN: TOKEN, NODE_ENV: undefined, NODE_PATH: undefined }
  const server = await startServer([next, command, '--port', String(port)], {
    cwd: app,
    port,
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  try {
    await check(server.url)
  } finally {
    await server.stop()
  }
}

/** As on a machine that builds images: no variable of the storage, no token. */
function withoutStorage() {
  const names = Object.keys(process.env).filter((name) => !/^(STORAGE|METRICS|DASHBOARD)_/.test(name))
  return Object.fromEntries(names.map((name) => [name, process.env[name]]))
}

/** Runs a command quietly; its output is shown when it fails. */
function run(command, args, environment) {
  const env = { ...environment, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: undefined, NODE_PATH: undefined }
  const child = spawn(command, args, { cwd: app, env, shell: process.platform === 'win32' && command === 'npm' })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command} ${args.join(' ')} ended with ${code}:\n${output}`)),
    )
  })
}
