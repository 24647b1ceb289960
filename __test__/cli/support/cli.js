'use strict'

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { readFileSync } = require('node:fs')
const path = require('node:path')
const { root } = require('../../support/lab.js')

const bin = path.join(root, JSON.parse(readFileSync(path.join(root, 'package.json'))).bin['reliable-r2'])

/** Runs the command line in `folder`, with `environment` and no other STORAGE_* variable. */
function commandLine(folder, environment) {
  return async (args, { env = environment, input = '', signalAfterMs } = {}) => {
    const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('STORAGE_')))
    const child = spawn(process.execPath, [bin, ...args], { cwd: folder, env: { ...clean, ...env }, stdio: 'pipe' })
    const read = async (stream) => Buffer.concat(await stream.toArray())
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    if (signalAfterMs) setTimeout(() => child.kill('SIGINT'), signalAfterMs)
    const [stdout, stderr, code] = await Promise.all([
      read(child.stdout),
      read(child.stderr).then(String),
      new Promise((resolve) => child.once('close', resolve)),
    ])
    for (const text of [stdout.toString(), stderr]) assert.ok(!text.includes('CANARY'), 'no secret is printed')
    return { code, stdout, out: stdout.toString(), stderr }
  }
}

module.exports = { bin, commandLine }
