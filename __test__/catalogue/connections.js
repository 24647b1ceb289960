'use strict'

// C: connections that cannot be made, or that are not what they were.

const { spawn } = require('node:child_process')
const { readFileSync } = require('node:fs')
const net = require('node:net')
const { filter } = require('./support/network.js')
const { NETWORK, TIMEOUT } = require('./support/cases.js')
const { sleep } = require('./support/runner.js')
const { ended } = require('../support/ended.js')
const { root } = require('../support/lab.js')

const at = (endpoint) => () => ({ endpoint })

/** A port that nobody listens on, and that nobody is given by chance. */
const CLOSED = 'http://127.0.0.1:9'

/** Connections that a client makes to a port of the test server's are turned away by the packet filter. */
const towards = (lab) => new URL(lab.proxy).port

/** The client's ends of the connections that are made to the test server. */
function portsTowards(lab) {
  const port = (address) => parseInt(address.split(':')[1], 16)
  const lines = readFileSync('/proc/self/net/tcp', 'utf8')
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
  const established = lines.filter(([, , remote, state]) => state === '01' && port(remote) === Number(towards(lab)))
  return established.map(([, local]) => port(local))
}

const later = async (context, ms, act) => {
  const timer = setTimeout(act, ms)
  context.onEnd(() => clearTimeout(timer))
}

const { command } = require('./support/network.js')

const rows = [
  {
    id: 'C-01',
    what: 'Nobody listens on the port',
    cases: [{ name: 'always', storage: at(CLOSED), expect: { ...NETWORK, code: 'ECONNREFUSED', attempts: 4 } }],
  },
  {
    id: 'C-02',
    what: "The server's queue is full: a connection is never taken up",
    cases: [
      { storage: ({ lab }) => ({ endpoint: lab.full, connectTimeoutMs: 400 }), expect: { ...TIMEOUT, attempts: 4 } },
    ],
  },
  {
    id: 'C-03',
    what: 'Packets to the port are dropped',
    cases: [
      {
        storage: () => ({ endpoint: CLOSED, connectTimeoutMs: 400 }),
        network: filter('tcp dport 9 drop'),
        expect: { ...TIMEOUT, attempts: 4 },
      },
    ],
  },
  {
    id: 'C-04',
    what: 'The host cannot be reached',
    cases: [
      {
        name: 'a router says so',
        storage: at(CLOSED),
        network: filter('tcp dport 9 reject with icmp type host-unreachable'),
        expect: { ...NETWORK, code: 'EHOSTUNREACH', attempts: 4 },
      },
      {
        name: 'the route says so',
        storage: () => ({ endpoint: 'http://198.51.100.7:9', allowHttp: true }),
        network: ['ip route add unreachable 198.51.100.0/24'],
        expect: { ...NETWORK, code: 'EHOSTUNREACH', attempts: 4 },
      },
    ],
  },
  {
    id: 'C-05',
    what: 'There is no route to the network',
    cases: [
      {
        storage: () => ({ endpoint: 'http://198.51.100.7:9', allowHttp: true }),
        network: [],
        expect: { ...NETWORK, code: 'ENETUNREACH', attempts: 4 },
      },
    ],
  },
  {
    id: 'C-06',
    what: 'The machine forbids the connection',
    cases: [
      {
        storage: () => ({ endpoint: 'http://198.51.100.7:9', allowHttp: true }),
        network: ['ip route add prohibit 198.51.100.0/24'],
        expect: { category: 'network', retryable: false, code: 'EACCES', attempts: 1 },
      },
    ],
  },
  {
    id: 'C-07',
    what: 'A connection is taken up and ended before the response',
    cases: [
      { name: 'twice', faults: [{ fault: 'fin', afterBytes: 0, times: 2 }], expect: { ok: true, attempts: 3 } },
      {
        name: 'always',
        faults: [{ fault: 'fin', afterBytes: 0 }],
        expect: { ...NETWORK, code: ['ECONNRESET', 'EPIPE'], attempts: 4 },
      },
    ],
  },
  {
    id: 'C-08',
    what: 'A connection is taken up and reset',
    cases: [
      // Up to three connections to an attempt.
      { name: 'twice', faults: [{ fault: 'refuse', times: 2 }], expect: { ok: true, attempts: [1, 3], requests: 1 } },
      {
        name: 'three times',
        faults: [{ fault: 'refuse', times: 3 }],
        expect: { ok: true, attempts: [1, 4], requests: 1 },
      },
      {
        name: 'always',
        faults: [{ fault: 'refuse' }],
        expect: { ...NETWORK, code: 'ECONNRESET', attempts: 4, requests: 0 },
      },
    ],
  },
  {
    id: 'C-09',
    what: 'The server is frozen: the kernel takes connections up, nobody responds',
    cases: [
      {
        name: 'for a second and a half',
        setUp: (context) => {
          context.lab.child.kill('SIGSTOP')
          return later(context, 1500, () => context.lab.child.kill('SIGCONT'))
        },
        options: { retry: { timeout: 600, timeoutGrowth: 4 } },
        // What was sent to the frozen server is read when it continues; a first attempt that began late may get through.
        expect: { ok: true, attempts: [1, 4], requests: false },
      },
      {
        name: 'for longer than all attempts',
        setUp: (context) => {
          context.lab.child.kill('SIGSTOP')
        },
        options: { retry: { timeout: 300, maxAttempts: 2 } },
        call: async (context, options) => {
          try {
            return await context.storage.uploadFile({ body: context.body, ...options })
          } finally {
            context.lab.child.kill('SIGCONT')
          }
        },
        expect: { ...TIMEOUT, attempts: 2, stored: 'any' },
      },
    ],
  },
  {
    id: 'C-10',
    what: 'The server is down for a while, then up',
    cases: [1000, 2000, 5000].map((ms) => ({
      name: `${ms / 1000} s`,
      slow: ms > 2000,
      faults: [{ fault: 'down' }],
      setUp: (context) => later(context, ms, () => context.control('PUT', '/faults', { faults: [] })),
      options: { retry: { maxAttempts: 50, initialDelayMs: 100, maxDelayMs: 500, deadlineMs: 200_000 } },
      expect: { ok: true, requests: 1, withinMs: [ms - 100, 200_000] },
    })),
  },
  {
    id: 'C-11',
    what: 'Three packets in ten get lost at random',
    cases: [
      {
        network: filter('tcp dport 1024-65535 numgen random mod 100 \\< 30 drop'),
        slow: true,
        body: 20_000,
        expect: { ok: true, attempts: [1, 4], requests: false },
      },
    ],
  },
  {
    id: 'C-12',
    what: 'All local ports are taken',
    cases: [
      {
        network: ['sysctl -qw net.ipv4.ip_local_port_range="40000 40002"'],
        setUp: async (context) => {
          const holder = net.createServer((socket) => socket.on('error', () => {}))
          await new Promise((resolve) => holder.listen(9, '127.0.0.1', resolve))
          const sockets = []
          for (let taken = 0; taken < 3; taken += 1) {
            const socket = net.connect(9, '127.0.0.1')
            socket.on('error', () => {})
            await new Promise((resolve) => socket.once('connect', resolve).once('error', resolve))
            sockets.push(socket)
          }
          context.onEnd(() => {
            for (const socket of sockets) socket.destroy()
            holder.close()
          })
        },
        storage: at(CLOSED),
        expect: { ...NETWORK, code: 'EADDRNOTAVAIL', attempts: 4 },
      },
    ],
  },
  {
    id: 'C-13',
    what: 'The process may open no more files: 200 uploads with 40 descriptors',
    cases: [
      {
        call: (context) => inProcess(context, ['prlimit', '--nofile=40'], FEW_DESCRIPTORS),
        expect: { ok: true, stored: 'any' },
        check: (context, { value }, assert) => {
          assert.deepEqual({ code: value.code, signal: value.signal }, { code: 0, signal: null }, value.output)
          const codes = JSON.parse(value.output.trim().split('\n').at(-1))
          assert.equal(codes.length, 200)
          assert.ok(
            codes.every((code) => ['stored', 'EMFILE'].includes(code)),
            value.output,
          )
        },
      },
    ],
  },
  {
    id: 'C-14',
    what: 'A kept connection is closed by the server just before it is used again, 200 times',
    cases: [
      {
        faults: [{ fault: 'closeIdle', ms: 3 }],
        call: async (context) => {
          const attempts = []
          for (let n = 0; n < 200; n += 1) {
            attempts.push((await context.storage.uploadFile({ body: 'again', key: `kept/${n}.txt` })).attempts)
            await sleep(n % 6)
          }
          return { attempts: Math.max(...attempts), all: attempts.length }
        },
        expect: { ok: true, attempts: [1, 2], stored: 'any' },
        check: (context, { value }, assert) => assert.equal(value.all, 200),
      },
    ],
  },
  {
    id: 'C-15',
    what: 'A kept connection goes dead: its packets are dropped from now on',
    cases: [
      {
        network: filter(),
        call: async (context, options) => {
          await context.storage.uploadFile({ body: 'first', key: 'c15.txt' })
          const ports = portsTowards(context.lab)
          if (ports.length === 0) throw new Error('no connection was kept')
          // What is made from here on passes.
          command(
            `nft add rule inet lab incoming tcp sport '{' ${ports.join(', ')} '}' tcp dport ${towards(context.lab)} drop`,
          )
          return context.storage.uploadFile({ body: context.body, ...options })
        },
        options: { retry: { timeout: 800, timeoutGrowth: 8 } },
        expect: { ok: true, attempts: [2, 4], requests: 1 },
      },
    ],
  },
  {
    id: 'C-16',
    what: '200 uploads at once to a server that takes eight connections at a time',
    cases: [
      {
        faults: [{ fault: 'crowd', most: 8 }],
        options: { retry: { maxAttempts: 50, maxDelayMs: 500, deadlineMs: 300_000 } },
        call: async (context, options) => {
          const keys = Array.from({ length: 200 }, (_, n) => `crowd/${n}.bin`)
          const results = await Promise.all(
            keys.map((key) => context.storage.uploadFile({ body: context.body, ...options, key })),
          )
          return {
            all: results.length,
            whole: keys.filter((key) => context.lab.stored(key)?.equals(context.body)).length,
          }
        },
        expect: { ok: true, stored: 'any', withinMs: [0, 300_000] },
        check: (context, { value }, assert) => assert.deepEqual(value, { all: 200, whole: 200 }),
      },
    ],
  },
]

const FEW_DESCRIPTORS = `
const { newStorage } = require('./index.js')
const storage = newStorage({ logger: false, retry: { maxAttempts: 20, initialDelayMs: 20, maxDelayMs: 300, timeout: 120000, deadlineMs: 300000 } })
const calls = Array.from({ length: 200 }, (_, n) => storage.uploadFile({ body: 'few', key: 'few/' + n }).then(() => 'stored', (error) => error.code))
Promise.all(calls).then((codes) => { storage.close(); console.log(JSON.stringify(codes)) })`

/** Runs a script under a command, with the test server's environment. */
function inProcess(context, before, script, meddle = () => {}) {
  const [program, ...args] = [...before, process.execPath, '-e', script]
  const child = spawn(program, args, { cwd: root, env: { ...process.env, ...context.lab.environment } })
  meddle(child)
  return ended(child, 600_000)
}

module.exports = { title: 'C: connections', rows, inProcess }
