// `npm run task examples`: the examples of docs/testing.md, by node:test and Vitest as they are; Playwright's is compiled.

import path from 'node:path'
import { buildAddon, install, installPackage, placePackage, requireTools, root, run } from './lib/prepare.mjs'

const folder = path.join('examples', 'testing')

requireTools()
await installPackage()
await install(folder)
await buildAddon()
placePackage(path.join(root, folder, 'node_modules', 'reliable-r2'))
await run('npm', ['test', '--silent'], { cwd: path.join(root, folder) })
