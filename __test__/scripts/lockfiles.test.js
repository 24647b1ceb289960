'use strict'

const assert = require('node:assert/strict')
const { execFileSync } = require('node:child_process')
const { readFileSync } = require('node:fs')
const path = require('node:path')
const test = require('node:test')

const root = path.join(__dirname, '..', '..')
const lockfiles = execFileSync('git', ['ls-files', '*package-lock.json'], { cwd: root, encoding: 'utf8' })
  .trim()
  .split('\n')

// npm leaves out of a lockfile what a registry does not have for other systems, and `npm ci` then refuses the lockfile.
for (const lockfile of lockfiles) {
  test(`${lockfile} has every dependency of its packages, as npm ci requires`, () => {
    const { packages } = JSON.parse(readFileSync(path.join(root, lockfile), 'utf8'))
    assert.ok(Object.keys(packages).length > 1)
    const missing = []
    for (const [place, { link, dependencies, devDependencies, optionalDependencies, resolved }] of Object.entries(
      packages,
    )) {
      if (link) continue
      assert.ok(!resolved?.startsWith('http'), `${place} names a registry`)
      for (const name of Object.keys({
        ...dependencies,
        ...optionalDependencies,
        ...(place === '' && devDependencies),
      })) {
        if (!found(packages, place, name)) missing.push(`${name} of ${place || 'the package'}`)
      }
    }
    assert.deepEqual(missing, [])
  })
}

/** As Node.js looks a package up: from its user's folder upwards. */
function found(packages, place, name) {
  for (let at = place; ; at = at.slice(0, Math.max(0, at.lastIndexOf('node_modules/') - 1))) {
    if (packages[`${at}${at ? '/' : ''}node_modules/${name}`]) return true
    if (at === '') return false
  }
}
