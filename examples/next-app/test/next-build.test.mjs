// What Next.js says to those who use the package in the wrong place: docs/troubleshooting.md quotes it.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const app = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
// Below the app, so that its packages are found.
const fixtures = path.join(app, '.fixtures')
const next = path.join(app, 'node_modules', 'next', 'dist', 'bin', 'next')
const GUIDE = readFileSync(path.join(app, '..', '..', 'docs', 'troubleshooting.md'), 'utf8').replace(/\s+/g, ' ')

const CONFIG = `export default { serverExternalPackages: ['reliable-r2'], turbopack: { root: ${JSON.stringify(app)} } }`
const WITHOUT = `export default { turbopack: { root: ${JSON.stringify(app)} } }`
const ROUTE = `import { newStorage } from 'reliable-r2'
const storage = newStorage()
export async function POST(request) {
  return Response.json(await storage.uploadFile({ body: await request.arrayBuffer(), key: 'a' }))
}
`
// OpenTelemetry's API is not installed here: that the package asks for it must not break the build.
const INSTRUMENTATION = `export async function register() {
  if (process.env.NEXT_RUNTIME !== 'nodejs') return
  const { newStorage } = await import('reliable-r2')
  const { watch } = await import('reliable-r2/alerts')
  watch(newStorage(), { onAlert: console.error })
}
`
const DASHBOARD = `import { newStorage } from 'reliable-r2'
import { dashboard } from 'reliable-r2/dashboard'
export const { GET, POST } = dashboard(newStorage(), { token: process.env.DASHBOARD_TOKEN })
`
const LAYOUT = 'export default function Layout({ children }) { return <html><body>{children}</body></html> }\n'

function build(name, files, ...options) {
  const folder = path.join(fixtures, name)
  for (const [file, text] of Object.entries({
    'package.json': '{"type":"module"}',
    'app/layout.jsx': LAYOUT,
    ...files,
  })) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
    writeFileSync(path.join(folder, file), text)
  }
  return new Promise((resolve) => {
    const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NO_COLOR: '1', FORCE_COLOR: '0' }
    const child = spawn(process.execPath, [next, 'build', ...options], { cwd: folder, env })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
    child.on('exit', (code) => resolve({ code, output }))
  })
}

/** The build failed with words that the guide has, too. */
function assertSays({ code, output }, ...words) {
  assert.notEqual(code, 0, output)
  for (const said of words) {
    assert.ok(output.includes(said), output)
    assert.ok(GUIDE.includes(said), `the guide does not quote: ${said}`)
  }
}

describe('next build', { timeout: 300_000 }, () => {
  after(() => rmSync(fixtures, { recursive: true, force: true }))

  const files = {
    'next.config.mjs': CONFIG,
    'app/api/route.js': ROUTE,
    'app/ops/route.js': DASHBOARD,
    'instrumentation.js': INSTRUMENTATION,
  }

  for (const bundler of ['turbopack', 'webpack']) {
    test(`takes the routes with the line in next.config (${bundler})`, async () => {
      const { code, output } = await build(`right-${bundler}`, files, `--${bundler}`)
      assert.equal(code, 0, output)
    })
  }

  test('without that line, in Turbopack’s words', async () => {
    const built = await build('without-turbopack', { ...files, 'next.config.mjs': WITHOUT })
    assertSays(built, 'non-ecmascript placeable asset', 'is not placeable in ESM chunks')
  })

  test('without that line, in webpack’s words', async () => {
    const built = await build('without-webpack', { ...files, 'next.config.mjs': WITHOUT }, '--webpack')
    assertSays(built, 'Module parse failed: Unexpected character')
  })

  test('in the Edge runtime', async () => {
    const built = await build('edge', { ...files, 'app/api/route.js': `${ROUTE}export const runtime = 'edge'\n` })
    assertSays(built, 'reliable-r2 needs the Node.js runtime')
  })

  test('in a client component', async () => {
    const page = `'use client'\nimport { newStorage } from 'reliable-r2'\nexport default function Page() { return <p>{String(newStorage)}</p> }\n`
    const built = await build('client', { 'next.config.mjs': CONFIG, 'app/page.jsx': page })
    assertSays(built, "'server-only' cannot be imported from a Client Component module")
  })
})
