'use strict'

// Every example of the documents runs, as it is written.

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } = require('node:fs')
const { createServer } = require('node:http')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { after, before, describe, test } = require('node:test')
const { Lab, keys, noise, root } = require('../support/lab.js')

const docs = path.join(root, 'docs')
const examples = readdirSync(docs)
  .filter((name) => name.endsWith('.md'))
  .flatMap((name) => {
    const blocks = readFileSync(path.join(docs, name), 'utf8').matchAll(/^```js\n([\s\S]*?)^```$/gm)
    return Array.from(blocks, ([, code], index) => ({ name: `${name}, example ${index + 1}`, code }))
  })

describe('the examples of the documents run', { timeout: 120_000 }, () => {
  let lab
  let source
  let work
  // Inside the package, which may import itself by its name.
  const place = path.join(root, 'target', 'examples')
  before(async () => {
    lab = await Lab.start()
    source = createServer((_, response) => response.end(noise(1000))).listen(0, '127.0.0.1')
    await new Promise((resolve) => source.once('listening', resolve))
    work = mkdtempSync(path.join(tmpdir(), 'reliable-r2-docs-'))
    mkdirSync(place, { recursive: true })
    writeFileSync(path.join(work, 'drawing.png'), noise(5000))
    writeFileSync(path.join(work, 'film.mp4'), noise(20 * 1024 * 1024))
  })
  after(async () => {
    await lab.stop()
    source.close()
    rmSync(work, { recursive: true, force: true })
    rmSync(place, { recursive: true, force: true })
  })

  test('there are some', () => assert.ok(examples.length >= 10, String(examples.length)))

  for (const [index, { name, code }] of examples.entries()) {
    test(name, async () => {
      const file = path.join(place, `${index}.mjs`)
      writeFileSync(file, code)
      const spare = { SPARE_ENDPOINT: lab.s3, SPARE_KEY: keys.accessKey, SPARE_SECRET: keys.secretKey }
      const env = {
        ...process.env,
        ...lab.environment,
        ...spare,
        EXAMPLE_URL: `http://localhost:${source.address().port}/`,
      }
      const child = spawn(process.execPath, [file], { cwd: work, env, stdio: ['ignore', 'pipe', 'pipe'] })
      let said = ''
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text))
      const status = await new Promise((resolve) => child.once('close', resolve))
      assert.equal(status, 0, said)
      const mayFail = code.includes('.catch(') || code.includes('uploadError')
      assert.ok(mayFail || !said.includes('[Critical]'), said)
    })
  }
})

test('the examples of testing.md are the files of examples/testing', () => {
  const page = readFileSync(path.join(docs, 'testing.md'), 'utf8')
  for (const name of ['upload.test.js', 'upload.vitest.ts', 'upload.spec.ts']) {
    const file = readFileSync(path.join(root, 'examples', 'testing', name), 'utf8')
    assert.ok(page.includes(`\`\`\`${name.split('.').at(-1)}\n${file}\`\`\``), name)
  }
})
