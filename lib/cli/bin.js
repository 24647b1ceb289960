#!/usr/bin/env node
'use strict'

const { main } = require('./main.js')

// As any filter: whoever reads the output (`ls | head`) has had enough.
process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

main(process.argv.slice(2), process).then((code) => {
  process.exitCode = code
})
