// The process that listens on a port, as far as the system shows.

import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'

/** { pid, command }, or undefined where it is another user's, in another container, or the system has no such tool. */
export function holderOf(port) {
  switch (process.platform) {
    case 'linux':
      return byProc(port)
    case 'win32':
      return byNetstat(port)
    default:
      return byLsof(port)
  }
}

/** What to show the person at the terminal. */
export function portIsTaken(port, holder = holderOf(port)) {
  const another = `or choose another port: PORT=${port < 65_436 ? port + 100 : port - 100} npm start`
  if (!holder) return `Port ${port} is taken. Stop what uses it, ${another}`
  const stop = process.platform === 'win32' ? `taskkill /PID ${holder.pid} /T /F` : `kill ${holder.pid}`
  return `Port ${port} is taken by process ${holder.pid}:\n  ${holder.command}\nStop it with \`${stop}\`, ${another}`
}

const LISTEN = '0A'

function byProc(port) {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  const inodes = new Set()
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of attempt(() => readFileSync(table, 'utf8'), '')
      .split('\n')
      .slice(1)) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/)
      if (state === LISTEN && local.endsWith(`:${wanted}`)) inodes.add(`socket:[${inode}]`)
    }
  }
  if (inodes.size === 0) return undefined
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const files = attempt(() => readdirSync(`/proc/${pid}/fd`), [])
    if (!files.some((file) => inodes.has(attempt(() => readlinkSync(`/proc/${pid}/fd/${file}`), '')))) continue
    const command = attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'), '')
    return { pid: Number(pid), command: shown(command.replace(/\0+/g, ' ')) }
  }
  return undefined
}

function byLsof(port) {
  const pid = /^p(\d+)$/m.exec(output('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fp']))?.[1]
  return pid && { pid: Number(pid), command: shown(output('ps', ['-o', 'command=', '-p', pid])) }
}

function byNetstat(port) {
  const line = new RegExp(`^\\s*TCP\\s+\\S+:${port}\\s+\\S+\\s+LISTENING\\s+(\\d+)`, 'm')
  const pid = line.exec(output('netstat', ['-ano', '-p', 'TCP']))?.[1]
  return pid && { pid: Number(pid), command: shown(output('tasklist', ['/FI', `PID eq ${pid}`, '/FO', 'CSV', '/NH'])) }
}

function output(command, args) {
  return spawnSync(command, args, { encoding: 'utf8' }).stdout ?? ''
}

/** A command line of others, on one line. */
function shown(command) {
  const text = command.replace(/\p{C}/gu, ' ').trim() || 'an unknown command'
  return text.length > 200 ? `${text.slice(0, 199)}…` : text
}

function attempt(read, otherwise) {
  try {
    return read()
  } catch {
    return otherwise
  }
}
