#!/usr/bin/env node
// Stands in for cargo in `napi build --release`: builds the addon alone. `cargo build` would build the Rust library in
// the same run of the compiler, which then leaves out link-time optimization, without a word.

import { spawn } from 'node:child_process'

const [command, ...rest] = process.argv.slice(2)
const args = command === 'build' ? ['rustc', '--lib', '--crate-type', 'cdylib', ...rest] : [command, ...rest]
spawn('cargo', args, { stdio: 'inherit' }).once('exit', (code) => process.exit(code ?? 1))
