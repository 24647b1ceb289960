'use strict'

// What a process that fails again and again holds on to: kinds of failure are run in a process of their own, and what
// it reports is judged here.

const { spawn } = require('node:child_process')
const { mkdirSync, mkdtempSync, readdirSync, rmSync } = require('node:fs')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { WORKERS } = require('./failing-uploads.js')
const { more } = require('./holdings.js')
const { Lab } = require('./lab.js')

/**
 * Growth of the second half that is no leak: what the allocator and the compiler of JavaScript do when they like. A leak
 * grows with the calls; this much in each is more than they do, and less than the smallest thing of ours would leave.
 */
const JS_BYTES = { least: 512 * 1024, perCall: 100 }
const RSS_BYTES = { least: 8 * 1024 * 1024, perCall: 1500 }
/** Far less than the storages that a thread had made. */
const RSS_BYTES_OF_WORKERS = { least: 64 * 1024 * 1024, perCall: 128 * 1024 }

/** glibc's allocator gives back what is freed, instead of keeping it for later: RSS is what somebody holds. */
const ALLOCATOR = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_TRIM_THRESHOLD_: '131072' }

/** Lets `count` calls fail in each of these ways. Gives numbers, and what they say in `leaks`: empty if there is none. */
async function measure(kinds, count, { plants = [], patienceMs = 30_000 } = {}) {
  const lab = await Lab.start()
  const folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-leaks-'))
  try {
    const temporary = path.join(folder, 'temporary')
    mkdirSync(temporary)
    const report = await run([String(count), ...kinds], {
      ...lab.environment,
      ...ALLOCATOR,
      LAB_CONTROL: lab.control,
      TLS_ENDPOINT: lab.tlsProxy,
      CA_CERTIFICATE: lab.caCertificate,
      LEAK_FOLDER: folder,
      TMPDIR: temporary,
      PLANTS: plants.join(' '),
      PATIENCE_MS: String(patienceMs),
      NODE_ENV: 'production',
    })
    const growth = growthOf(report.samples)
    const files = readdirSync(temporary)
    return {
      ...report,
      growth,
      leaks: leaksOf({
        ...report,
        growth,
        files,
        rssBytes: kinds.includes(WORKERS) ? RSS_BYTES_OF_WORKERS : RSS_BYTES,
      }),
    }
  } finally {
    await lab.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function run(options, environment) {
  const program = path.join(__dirname, 'leak-program.js')
  const child = spawn(process.execPath, ['--expose-gc', program, ...options], {
    env: { ...process.env, NODE_OPTIONS: '', ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.on('data', (text) => (said += text))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) =>
      code === 0 ? resolve(JSON.parse(said)) : reject(new Error(`${options.join(' ')}: ended with ${code ?? signal}`)),
    )
  })
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]

/** Of each half: from the samples at its begin to those at its end. */
function growthOf(samples) {
  const width = Math.max(1, Math.floor(samples.length / 6))
  const around = (share, name) => {
    const at = Math.min(Math.round((samples.length - 1) * share), samples.length - width)
    return median(samples.slice(at, at + width).map((sample) => sample[name]))
  }
  const halves = (name) => [around(0.5, name) - around(0, name), around(1, name) - around(0.5, name)]
  return { rss: halves('rss'), js: halves('js') }
}

function leaksOf({ calls, before, after, growth, unhandled, files, rssBytes }) {
  const limit = ({ least, perCall }) => Math.max(least, (perCall * calls) / 2)
  const grown = (name, bytes, limits) =>
    bytes > limit(limits) ? [`${name}: grew by ${bytes} bytes in ${calls / 2} calls`] : []
  return [
    ...more(before, after),
    ...grown('memory of JavaScript', growth.js[1], JS_BYTES),
    ...grown('memory of the process', growth.rss[1], rssBytes),
    ...(unhandled.length > 0 ? [`${unhandled.length} unhandled rejections, one is ${unhandled[0]}`] : []),
    ...(files.length > 0 ? [`temporary files: ${files.slice(0, 5).join(', ')}`] : []),
  ]
}

module.exports = { measure }
