'use strict'

// A process that runs rows, one at a time, with a test server of its own. Its parent says which.

const { mkdtempSync, readdirSync, rmSync } = require('node:fs')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { Lab } = require('../../support/lab.js')
const { NAMES, openNetwork } = require('./network.js')
const { rows } = require('../index.js')
const { runCase } = require('./runner.js')

const inNetwork = process.argv.includes('--network')

async function main() {
  const network = inNetwork ? openNetwork() : undefined
  const lab = await Lab.start(...NAMES.flatMap((name) => ['--name', name]))
  const temporary = mkdtempSync(path.join(tmpdir(), 'reliable-r2-rows-'))
  process.env.TMPDIR = temporary
  // The runtime's own descriptors are there from the first call on.
  const first = lab.storage()
  await first.uploadFile({ body: 'x', key: 'first.txt' })
  first.close()
  // A worker thread makes the process's own outputs, which stay.
  void process.stdout, process.stderr
  // So are those of Node's own name look-ups and threads.
  await require('node:fs/promises').readdir(temporary)

  process.on('message', async ({ id, cases }) => {
    if (id === undefined) {
      await lab.stop()
      network?.close()
      rmSync(temporary, { recursive: true, force: true })
      return process.disconnect()
    }
    const row = rows.find((candidate) => candidate.id === id)
    const results = []
    for (const index of cases) {
      const test = row.cases[index]
      network?.reset(test.network ?? [])
      const result = await runCase(row, test, lab)
      const left = readdirSync(temporary)
      if (left.length > 0) result.problems.push(`temporary files: ${left.join(', ')}`)
      results.push({ index, ...result })
    }
    process.send({ id, results })
  })
  // Without a parent there is nobody to work for; the test server ends with this process.
  process.on('disconnect', () => process.exit())
  process.send({ ready: true })
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
