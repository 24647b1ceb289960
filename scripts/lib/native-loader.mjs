// native.js, which loads the addon. `napi build` writes one that asks for packages of 28 systems, of which anybody may
// register those that we do not publish, that compares versions only on demand, and loads any file that a variable names.

import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { root } from './prepare.mjs'
import { main, targets } from '../release/targets.mjs'

/** The text of native.js. */
export function loader() {
  const { name, version } = main
  const entries = targets.map(
    ({ platform, file, manifest }) => `  '${platform}': {
    local: () => require('./${file}'),
    manifest: () => require('${manifest.name}/package.json'),
    addon: () => require('${manifest.name}'),
  },`,
  )
  return `'use strict'

// Written by scripts/lib/native-loader.mjs at each build; do not edit.

const { platformsOf } = require('./lib/native/platform.js')

const VERSION = '${version}'

// Each package is one that is published with ${name}. Literal requires: bundlers copy what they can read here.
const ADDONS = {
  __proto__: null,
${entries.join('\n')}
}

function load() {
  const reasons = []
  for (const platform of platformsOf(process)) {
    const addon = ADDONS[platform]
    if (!addon) reasons.push(new Error(\`There is no prebuilt addon for \${platform}.\`))
    for (const attempt of addon ? [local, packaged] : []) {
      try {
        return attempt(addon)
      } catch (error) {
        reasons.push(error)
      }
    }
  }
  throw new AggregateError(reasons, \`The addon could not be loaded: \${reasons.map(({ message }) => message.split('\\n', 1)[0]).join('; ')}\`)
}

/** Of a checkout, where it was built. */
function local(addon) {
  const binding = addon.local()
  requireVersion(binding.VERSION, 'the addon beside native.js; build it again')
  return binding
}

/** None of the package's code is run before its version is known. */
function packaged(addon) {
  const { name, version } = addon.manifest()
  requireVersion(version, \`\${name}; install the dependencies again\`)
  const binding = addon.addon()
  requireVersion(binding.VERSION, \`the addon of \${name}; install the dependencies again\`)
  return binding
}

function requireVersion(version, whose) {
  if (version !== VERSION) throw new Error(\`Version \${VERSION} was expected, not \${version}, of \${whose}.\`)
}

module.exports = load()
`
}

export function writeLoader() {
  writeFileSync(path.join(root, 'native.js'), loader())
}
