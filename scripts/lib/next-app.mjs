// Next.js apps, as children that are stopped by hand.

import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { example, root } from './prepare.mjs'

const READY_WITHIN_MS = 60_000

/** Whether somebody listens there already. */
export function portIsFree(port) {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, () => probe.close(() => resolve(true)))
  })
}

/** A port that nobody uses now. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}

/** `next start` of the example app on a port; resolves when it responds. */
export function startNextApp(port, env, onExit, stdio) {
  const folder = path.join(root, example)
  const next = path.join(folder, 'node_modules', 'next', 'dist', 'bin', 'next')
  return startServer([next, 'start', '--port', String(port)], { cwd: folder, port, env, onExit, stdio })
}

/** A Node program that serves HTTP on `port`; resolves when it responds. */
export async function startServer(args, { cwd, port, env, onExit, stdio = ['ignore', 'ignore', 'inherit'] }) {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...process.env, ...env, PORT: String(port), NEXT_TELEMETRY_DISABLED: '1' },
    stdio,
    // Ctrl-C in a terminal goes to the whole group; who stops whom, and in which order, is decided by us.
    detached: true,
  })
  let ended = false
  child.once('exit', (code) => {
    ended = true
    onExit?.(code)
  })
  const url = `http://localhost:${port}`
  const until = Date.now() + READY_WITHIN_MS
  while (!ended && !(await responds(url))) {
    if (Date.now() > until) {
      child.kill('SIGKILL')
      throw new Error(`The app did not respond within ${READY_WITHIN_MS / 1000} s.`)
    }
    await sleep(100)
  }
  if (ended) throw new Error('The app ended before it responded.')
  return {
    url,
    child,
    stop: () =>
      new Promise((resolve) => {
        if (ended) return resolve()
        child.removeAllListeners('exit')
        child.once('exit', resolve)
        child.kill('SIGTERM')
      }),
  }
}

async function responds(url) {
  try {
    return (await fetch(url)).ok
  } catch {
    return false
  }
}
