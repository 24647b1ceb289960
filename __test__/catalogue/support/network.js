'use strict'

// The network of a namespace: addresses that are public elsewhere, names of our own, packets that get lost.

const { spawnSync } = require('node:child_process')
const dgram = require('node:dgram')
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs')
const { tmpdir } = require('node:os')
const path = require('node:path')

/** In the test server's certificate. */
const NAMES = ['r2.example', 'cdn.lab-pictures.com', '93.184.216.34']

function command(text) {
  const done = spawnSync('sh', ['-c', text], { encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`${text}: ${done.stderr.trim() || done.error}`)
}

/** Takes over a namespace that is this process's alone. */
function openNetwork() {
  const folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-net-'))
  writeFileSync(path.join(folder, 'resolv.conf'), 'nameserver 127.0.0.1\noptions timeout:1 attempts:2\n')
  writeFileSync(path.join(folder, 'hosts'), '127.0.0.1 localhost\n::1 localhost\n10.1.2.3 mapped.lab-pictures.com\n')
  command(`mount --bind ${folder}/resolv.conf /etc/resolv.conf && mount --bind ${folder}/hosts /etc/hosts`)
  command('ip link set lo up')
  command('ip addr add 93.184.216.34/32 dev lo && ip addr add 93.184.216.35/32 dev lo')
  spawnSync('sh', ['-c', 'ip -6 addr add 2606:4700:4700::1111/128 dev lo nodad'])
  return {
    /** As it was at the beginning, then as `commands` make it. */
    reset(commands) {
      command('nft flush ruleset; sysctl -qw net.ipv4.ip_local_port_range="32768 60999"')
      command('ip route flush table main; ip route replace local 127.0.0.0/8 dev lo table local')
      for (const text of commands) command(text)
    },
    close() {
      spawnSync('umount', ['/etc/resolv.conf', '/etc/hosts'])
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** What comes before the rules of packets that come in. */
const filter = (...rules) => [
  'nft add table inet lab',
  "nft add chain inet lab incoming '{ type filter hook input priority 0; }'",
  ...rules.map((rule) => `nft add rule inet lab incoming ${rule}`),
]

function encodeName(name) {
  const labels = name
    .split('.')
    .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')]))
  return Buffer.concat([...labels, Buffer.from([0])])
}

function decodeQuestion(message) {
  const labels = []
  let at = 12
  while (message[at] > 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + message[at]))
    at += 1 + message[at]
  }
  return { name: labels.join('.').toLowerCase(), type: message.readUInt16BE(at + 1), end: at + 5 }
}

const TYPES = { A: 1, CNAME: 5, AAAA: 28 }

function data(type, value) {
  if (type === 'A') return Buffer.from(value.split('.').map(Number))
  if (type === 'CNAME') return encodeName(value)
  const [head, tail = ''] = value.split('::')
  const groups = (text) => (text === '' ? [] : text.split(':').map((group) => parseInt(group, 16)))
  const [left, right] = [groups(head), groups(tail)]
  const all = value.includes('::') ? [...left, ...Array(8 - left.length - right.length).fill(0), ...right] : left
  const bytes = Buffer.alloc(16)
  all.forEach((group, index) => bytes.writeUInt16BE(group, index * 2))
  return bytes
}

/**
 * A name server on port 53. `recordsOf(name, type, nth)` gives records `['A', '127.0.0.1', owner?]`, a number for an error
 * (2 SERVFAIL, 3 NXDOMAIN), or nothing, for none at all.
 */
async function nameServer(recordsOf) {
  const asked = []
  const socket = dgram.createSocket('udp4')
  socket.on('message', (message, peer) => {
    const { name, type, end } = decodeQuestion(message)
    const kind = Object.keys(TYPES).find((candidate) => TYPES[candidate] === type) ?? String(type)
    asked.push(`${kind} ${name}`)
    const records = recordsOf(name, kind, asked.filter((question) => question === `${kind} ${name}`).length)
    if (records === undefined) return
    const head = Buffer.from(message.subarray(0, 12))
    const failed = typeof records === 'number'
    head.writeUInt16BE(0x8180 | (failed ? records : 0), 2)
    head.writeUInt16BE(1, 4)
    head.writeUInt16BE(failed ? 0 : records.length, 6)
    head.writeUInt32BE(0, 8)
    const parts = [head, message.subarray(12, end)]
    for (const [recordKind, value, owner = name] of failed ? [] : records) {
      const bytes = data(recordKind, value)
      const fixed = Buffer.alloc(10)
      fixed.writeUInt16BE(TYPES[recordKind], 0)
      fixed.writeUInt16BE(1, 2)
      fixed.writeUInt16BE(bytes.length, 8)
      parts.push(encodeName(owner), fixed, bytes)
    }
    socket.send(Buffer.concat(parts), peer.port, peer.address)
  })
  await new Promise((resolve, reject) => socket.once('error', reject).bind(53, '127.0.0.1', resolve))
  return { asked, close: () => new Promise((resolve) => socket.close(resolve)) }
}

module.exports = { NAMES, command, filter, nameServer, openNetwork }
