// npm run build: the addon as it is published. With --debug, quickly, in the dev profile.

import path from 'node:path'
import { writeLoader } from './lib/native-loader.mjs'
import { installPackage, requireTools, root, run } from './lib/prepare.mjs'

const given = process.argv.slice(2)
const isRelease = !given.includes('--debug')

requireTools()
if (isRelease) await installPackage()
const env = { ...process.env }
// Windows cannot start a script by its name; there the addon is some percent larger and slower.
if (isRelease && process.platform !== 'win32') env.CARGO = path.join(root, 'scripts', 'cargo-cdylib.mjs')
const options = ['--platform', '--no-const-enum', '--no-js', '--dts', 'native.d.ts', '--output-dir', '.']
if (isRelease) options.push('--release')
await run('npx', ['--no-install', 'napi', 'build', ...options, ...given.filter((option) => option !== '--debug')], {
  env,
})
writeLoader()
