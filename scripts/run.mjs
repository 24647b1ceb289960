// `npm run task`: every task of this repository. `npm run task NAME -- OPTIONS` runs one.

import { spawn } from 'node:child_process'
import path from 'node:path'

const TASKS = {
  Checks: {
    panics: ['panics.mjs', 'every export of the addon panics on command, and the process lives'],
    lab: ['lab.mjs', 'the fault catalogue against the local R2 and its fault proxy; --quick leaves out long waits'],
    docs: ['docs-app.mjs', 'the TypeScript examples of README and docs in a new Next.js app'],
    examples: ['test-examples.mjs', 'the examples of docs/testing.md with node:test, Vitest and Playwright'],
    e2e: ['e2e.mjs', 'the example app in a real browser'],
    install: ['install.mjs', "a release's tarballs installed by npm into Next.js 14, 15 and 16"],
    runtimes: ['runtimes.mjs', 'later versions of Node.js, Bun and Deno; --newest takes one Node.js'],
    servers: ['servers.mjs', 'S3 servers of others'],
    operations: ['operations.mjs', 'alerts for Prometheus and the dashboard for Grafana, with promtool'],
    words: ['words.mjs', 'words that the project replaces by standard terms; --count sums them up'],
    commits: ['commits.mjs', 'the subjects of commits: imperative, at most 72 characters'],
    'supply-chain': ['supply-chain.mjs', 'licences, sources and advisories of crates and packages'],
  },
  'Long checks': {
    soak: ['soak.mjs', 'half an hour of uploads through faults; --minutes N'],
    leaks: ['leaks.mjs', 'ten thousand failing uploads of each kind leave nothing behind'],
    asan: ['asan.mjs', 'the Rust tests with AddressSanitizer'],
    miri: ['miri.mjs', 'unit tests in Miri'],
    mutants: ['mutants.mjs', 'changes to the deciding modules that their tests must notice'],
    coverage: ['coverage.mjs', 'lines of the deciding modules that the Rust tests reach'],
    fuzz: ['fuzz.mjs', 'the fuzz targets with libFuzzer'],
  },
  Benchmarks: {
    'bench:compare': ['../benches/peers.mjs', 'peers through the fault catalogue'],
    'bench:survival': ['../benches/survival.mjs', 'peers through random faults'],
    'bench:footprint': ['../benches/footprint.mjs', 'import time, idle cost, event-loop delay'],
    'bench:memory': ['../benches/memory.mjs', 'memory for each upload'],
    'bench:instructions': ['../benches/instructions.mjs', 'instructions for each upload; --update renews the baseline'],
  },
  'Generated files': {
    dashboard: ['dashboard-page.mjs', 'lib/dashboard/page.generated.js from lib/dashboard/page'],
    errors: ['error-codes.mjs', 'docs/errors.md from lib/observability/remediation.js'],
    alerts: ['alerts-yml.mjs', 'docs/operations/alerts.yml from lib/alerts/standard.js'],
  },
  Release: {
    'release:tools': ['release/tools.mjs', 'installs what cross-compiles the addon'],
    'release:addon': ['release/addon.mjs', 'builds the addon for one system'],
    'release:pack': ['release/pack.mjs', 'the tarballs that are published; --all fails where a binary is missing'],
    'release:sbom': ['release/sbom.mjs', 'the bill of materials of a system'],
    'release:load': ['release/load.mjs', 'loads a binary on the system it is for'],
    'release:publish': ['release/publish.mjs', 'publishes to npm; --dry-run does not'],
    'release:github': ['release/github.mjs', 'makes the GitHub release; --dry-run does not'],
  },
}

const [name, ...options] = process.argv.slice(2)
const task = Object.values(TASKS).find((group) => Object.hasOwn(group, name ?? ''))?.[name]
if (task) {
  const script = path.join(import.meta.dirname, task[0])
  const child = spawn(process.execPath, [script, ...options], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.once('exit', (code, signal) => process.exit(signal ? 1 : code))
} else {
  const groups = Object.entries(TASKS).map(([title, group]) => {
    const lines = Object.entries(group).map(([name, [, summary]]) => `  ${name.padEnd(20)}${summary}`)
    return [title, ...lines].join('\n')
  })
  const list = `Usage: npm run task NAME -- [OPTIONS]\n\n${groups.join('\n\n')}\n`
  if (name === undefined) console.log(list)
  else {
    console.error(`There is no task ${name}.\n\n${list}`)
    process.exitCode = 1
  }
}
