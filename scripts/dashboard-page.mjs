// `npm run task dashboard`: the page of the dashboard, its style, its script and uPlot in it, as one module. What it
// makes is kept in the repository, so that a clone and a package need no such step; a test says when it is out of date.

import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, transform } from 'esbuild'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const sources = path.join(root, 'lib', 'dashboard', 'page')
const uplot = path.join(root, 'node_modules', 'uplot')
export const generated = path.join(root, 'lib', 'dashboard', 'page.generated.js')

const TARGET = ['chrome111', 'firefox113', 'safari16.4']
const alert = (text) => `<p class="wrong" role="alert">${text}</p>`

const read = (...names) => readFileSync(path.join(...names), 'utf8')

/** The text of the module. */
export async function makePage() {
  const base = read(sources, 'base.css')
  const pageStyle = await minify(read(uplot, 'dist', 'uPlot.min.css') + base + read(sources, 'page.css'))
  const loginStyle = await minify(base + read(sources, 'login.css'))
  const script = await bundle(path.join(sources, 'main.mjs'))
  const login = read(sources, 'login.html')
  const parts = {
    PAGE: assemble(read(sources, 'page.html'), pageStyle, script),
    LOGIN: assemble(login.replace('<!-- wrong -->', ''), loginStyle),
    WRONG_TOKEN: assemble(login.replace('<!-- wrong -->', alert('That is not the token.')), loginStyle),
    TOO_MANY_GUESSES: assemble(
      login.replace('<!-- wrong -->', alert('Too many wrong tokens. Try again in a few minutes.')),
      loginStyle,
    ),
  }
  const lines = Object.entries(parts).map(([name, part]) => `exports.${name} = ${JSON.stringify(part)}\n`)
  return `'use strict'\n\n// Made by scripts/dashboard-page.mjs from page/; never edited.\n${lines.join('')}`
}

async function bundle(entry) {
  // Its licence goes wherever uPlot goes, and that is into every browser.
  const banner = { js: `/* Charts by uPlot.\n\n${read(uplot, 'LICENSE').trim()} */` }
  const options = { bundle: true, minify: true, write: false, format: 'iife', target: TARGET, charset: 'utf8', banner }
  const { outputFiles } = await build({ ...options, entryPoints: [entry], logLevel: 'error' })
  return outputFiles[0].text.trim()
}

async function minify(css) {
  return (await transform(css, { loader: 'css', minify: true, target: TARGET })).code.trim()
}

/** The hashes are what the policy allows: exactly what stands between the tags. */
function assemble(html, style, script) {
  const text = html
    .replace('<!-- style -->', () => `<style>${style}</style>`)
    .replace('<!-- script -->', () => (script ? `<script>${script}</script>` : ''))
  return { html: text, styles: [hash(style)], scripts: script ? [hash(script)] : [] }
}

function hash(text) {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) writeFileSync(generated, await makePage())
