'use strict'

const assert = require('node:assert/strict')
const { readFileSync } = require('node:fs')
const { dirname, join } = require('node:path')
const test = require('node:test')

const root = join(__dirname, '..', '..')
const api = require('../../index.js')
const native = require('../../native.js')
/** A declaration file with those that it exports again. */
function declarationsOf(file) {
  const text = readFileSync(join(root, file), 'utf8')
  const others = [...text.matchAll(/^export \* from '(.+)\.js'$/gm)].map(([, name]) =>
    declarationsOf(join(dirname(file), `${name}.d.ts`)),
  )
  return [text, ...others].join('\n')
}

const declarations = declarationsOf('index.d.ts')
const manifest = require('../../package.json')

const entries = {
  '.': 'index',
  './alerts': 'lib/alerts/index',
  './dashboard': 'lib/dashboard/index',
  './testing': 'lib/testing/index',
}

test('every entry has the same names for import, for require and in its types', async () => {
  const subpaths = Object.keys(manifest.exports).filter((name) => name !== './package.json')
  assert.deepEqual(subpaths, Object.keys(entries))
  for (const entry of Object.values(entries)) {
    const required = require(`../../${entry}.js`)
    const { default: whole, 'module.exports': _, ...imported } = await import(`../../${entry}.js`)
    assert.equal(whole, required, entry)
    assert.deepEqual(imported, { ...required }, entry)
    const declared = [
      ...declarationsOf(`${entry}.d.ts`).matchAll(/^export declare (?:const|function|class) (\w+)/gm),
    ].map((match) => match[1])
    assert.deepEqual([...new Set(declared)].sort(), Object.keys(required).sort(), entry)
  }
})

test('the types name exactly the codes that the addon has', () => {
  const [, union] = declarations.match(/export type ReliableR2ErrorCode =([^]*?)\n\n/)
  assert.deepEqual([...union.matchAll(/'(\w+)'/g)].map((match) => match[1]).sort(), native.errorCodes().sort())
})

test('the types name exactly the categories that have a sentence for the user', () => {
  const [, union] = declarations.match(/export type StorageErrorCategory =([^]*?)\n\n/)
  for (const [, category] of union.matchAll(/'(\w+)'/g))
    assert.match(native.userMessage(category, 'ERR_X'), /^[A-Z].*\.$/)
})

test('the stub for other runtimes says what to do', async () => {
  const advice = { code: 'ERR_UNSUPPORTED', message: /needs the Node\.js runtime.*runtime = 'nodejs'/ }
  await assert.rejects(import('../../lib/unsupported.js'), advice)
  assert.throws(() => require('../../lib/unsupported.js'), advice)
})

test('versions agree', () => {
  assert.equal(api.VERSION, manifest.version)
  assert.match(readFileSync(join(root, 'Cargo.toml'), 'utf8'), new RegExp(`^version = "${manifest.version}"$`, 'm'))
})

test('every file that the manifest names is there, and nothing runs at install', () => {
  const targetsOf = (entry) => (typeof entry === 'string' ? [entry] : Object.values(entry).flatMap(targetsOf))
  for (const target of targetsOf(manifest.exports)) assert.ok(readFileSync(join(root, target)), target)
  assert.equal(manifest.dependencies, undefined)
  for (const hook of ['preinstall', 'install', 'postinstall', 'prepare'])
    assert.equal(manifest.scripts[hook], undefined)
})

test('every option has its default, its deprecation or none, and every method an example', () => {
  const storage = readFileSync(join(root, 'types', 'storage.d.ts'), 'utf8')
  const methods = [...storage.matchAll(/((?: {2}\/\*\*(?:[^*]|\*(?!\/))*\*\/\n)?) {2}(\w+)[<(]/g)]
  assert.ok(methods.length >= 20)
  for (const [, comment, name] of methods) assert.match(comment, /@example|@deprecated/, name)
  const retry = readFileSync(join(root, 'types', 'retry.d.ts'), 'utf8')
  for (const name of ['isRetryableError', 'retryWithBackoff'])
    assert.match(retry, new RegExp(`@example[^/]*\\*\\/\nexport declare function ${name}`))
})
