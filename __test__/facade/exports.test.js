'use strict'

const assert = require('node:assert/strict')
const { readFileSync } = require('node:fs')
const { join } = require('node:path')
const test = require('node:test')

const root = join(__dirname, '..', '..')
const api = require('../../index.js')
const native = require('../../native.js')
const declarations = readFileSync(join(root, 'index.d.ts'), 'utf8')
const manifest = require('../../package.json')

const names = Object.keys(api).sort()

test('import and require give the same things', async () => {
  const { default: whole, ...named } = await import('../../index.mjs')
  assert.equal(whole, api)
  assert.deepEqual(Object.keys(named).sort(), names)
  for (const name of names) assert.equal(named[name], api[name], name)
})

test('the CommonJS entry can be read for named exports', async () => {
  const { default: whole, 'module.exports': other, ...named } = await import('../../index.js')
  assert.deepEqual(Object.keys(named).sort(), names)
})

test('the types declare exactly what is exported', () => {
  const declared = [...declarations.matchAll(/^export declare (?:const|function|class) (\w+)/gm)].map((match) => match[1])
  assert.deepEqual([...new Set(declared)].sort(), names)
})

test('the types name exactly the codes that the native part has', () => {
  const [, union] = declarations.match(/export type ReliableR2ErrorCode =([^]*?)\n\n/)
  assert.deepEqual([...union.matchAll(/'(\w+)'/g)].map((match) => match[1]).sort(), native.errorCodes().sort())
})

test('the types name exactly the categories that have a sentence for the user', () => {
  const [, union] = declarations.match(/export type StorageErrorCategory =([^]*?)\n\n/)
  for (const [, category] of union.matchAll(/'(\w+)'/g)) assert.match(native.userMessage(category, 'ERR_X'), /^[A-Z].*\.$/)
})

test('the stub for other runtimes has the same names and says what to do', async () => {
  const source = readFileSync(join(root, 'unsupported.mjs'), 'utf8')
  assert.deepEqual([...source.matchAll(/^export const (\w+)/gm)].map((match) => match[1]).sort(), names)
  const common = readFileSync(join(root, 'unsupported.js'), 'utf8')
  assert.deepEqual([...common.matchAll(/^ {2}(\w+): undefined,$/gm)].map((match) => match[1]).sort(), names)
  const advice = { code: 'ERR_UNSUPPORTED', message: /needs the Node\.js runtime.*runtime = 'nodejs'/ }
  await assert.rejects(import('../../unsupported.mjs'), advice)
  assert.throws(() => require('../../unsupported.js'), advice)
})

test('the dashboard’s entry has one name, in all its forms', async () => {
  const entry = require('../../dashboard.js')
  const { dashboard, ...others } = await import('../../dashboard.mjs')
  assert.deepEqual([Object.keys(entry), Object.keys(others), dashboard], [['dashboard'], [], entry.dashboard])
  const declared = readFileSync(join(root, 'dashboard.d.ts'), 'utf8')
  assert.deepEqual([...declared.matchAll(/^export declare (?:const|function|class) (\w+)/gm)].map((match) => match[1]), ['dashboard'])
  const advice = { code: 'ERR_UNSUPPORTED', message: /needs the Node\.js runtime/ }
  await assert.rejects(import('../../lib/dashboard/unsupported.mjs'), advice)
  assert.throws(() => require('../../lib/dashboard/unsupported.js'), advice)
})

test('versions agree', () => {
  assert.equal(api.VERSION, manifest.version)
  assert.match(readFileSync(join(root, 'Cargo.toml'), 'utf8'), new RegExp(`^version = "${manifest.version}"$`, 'm'))
})

test('every file that the manifest names is there, and nothing runs at install', () => {
  const targetsOf = (entry) => (typeof entry === 'string' ? [entry] : Object.values(entry).flatMap(targetsOf))
  for (const target of targetsOf(manifest.exports)) assert.ok(readFileSync(join(root, target)), target)
  assert.equal(manifest.dependencies, undefined)
  for (const hook of ['preinstall', 'install', 'postinstall', 'prepare']) assert.equal(manifest.scripts[hook], undefined)
})
