// npm run build: the addon as it is published.

import path from 'node:path'
import { requireTools, root, run } from './lib/prepare.mjs'

requireTools()
const env = { ...process.env }
// Windows cannot start a script by its name; there the addon is some percent larger and slower.
if (process.platform !== 'win32') env.CARGO = path.join(root, 'scripts', 'cargo-cdylib.mjs')
const files = ['--js', 'native.js', '--dts', 'native.d.ts', '--output-dir', '.']
await run('npx', ['--no-install', 'napi', 'build', '--platform', '--release', '--no-const-enum', ...files, ...process.argv.slice(2)], { env })
