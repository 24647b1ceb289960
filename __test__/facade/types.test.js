'use strict'

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const { existsSync } = require('node:fs')
const { join } = require('node:path')
const test = require('node:test')

const root = join(__dirname, '..', '..')
const tsc = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'tsc.cmd' : 'tsc')

test('the types accept what is right and refuse what is misspelt', {
  skip: !existsSync(tsc) && 'npm install first',
}, () => {
  const shell = process.platform === 'win32'
  const { status, stdout, stderr } = spawnSync(tsc, ['--project', 'tsconfig.json'], {
    cwd: root,
    encoding: 'utf8',
    shell,
  })
  assert.equal(status, 0, stdout + stderr)
})
