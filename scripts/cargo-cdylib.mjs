#!/usr/bin/env node
// Stands in for cargo in `napi build --release`: builds the addon alone. `cargo build` would build the Rust library in
// the same run of the compiler, which then leaves out link-time optimization, without a word.

import { spawn } from 'node:child_process'

const ADDON_ALONE = ['rustc', '--lib', '--crate-type', 'cdylib']

const [command, ...rest] = process.argv.slice(2)
const [program, args] =
  command === 'build'
    ? ['cargo', [...ADDON_ALONE, ...rest]]
    : command === 'zigbuild' // what `--cross-compile` asks for
      ? ['cargo-zigbuild', [...ADDON_ALONE, ...rest]]
      : ['cargo', [command, ...rest]]
spawn(program, args, { stdio: 'inherit' })
  .once('error', (error) => {
    console.error(`${program} could not be started: ${error.message}`)
    process.exit(1)
  })
  .once('exit', (code) => process.exit(code ?? 1))
