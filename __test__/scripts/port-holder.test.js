'use strict'

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { createServer } = require('node:net')
const { describe, test } = require('node:test')

const module_ = import('../../scripts/lib/port-holder.mjs')

describe('the holder of a port', () => {
  test('is named with its pid, its command and how to stop it', {
    skip: process.platform === 'win32' && 'tasklist names no arguments',
  }, async (t) => {
    const { portIsTaken } = await module_
    const program =
      "const s = require('net').createServer().listen(0, '127.0.0.1', () => console.log(s.address().port))"
    const child = spawn(process.execPath, ['-e', program, 'a-left-over-program'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => child.kill())
    const port = Number(String(await new Promise((resolve) => child.stdout.once('data', resolve))))
    const message = portIsTaken(port)
    for (const part of [
      `Port ${port} is taken by process ${child.pid}:`,
      'a-left-over-program',
      `kill ${child.pid}`,
      `PORT=`,
    ]) {
      assert.ok(message.includes(part), message)
    }
  })

  test('is not named where nothing listens, and the message still says what to do', async () => {
    const { holderOf, portIsTaken } = await module_
    const server = createServer()
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address()
    await new Promise((resolve) => server.close(resolve))
    assert.equal(holderOf(port), undefined)
    assert.match(portIsTaken(port), /Stop what uses it, or choose another port: PORT=\d+ npm start/)
  })
})
