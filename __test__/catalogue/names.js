'use strict'

// D: names that do not resolve, or to addresses that do not respond. All in a namespace with a name server of our own.

const { readdirSync } = require('node:fs')
const { noise } = require('../support/lab.js')
const { filter, nameServer } = require('./support/network.js')
const { NETWORK, PATIENT_MS } = require('./support/cases.js')

/** An endpoint by name, which `reply` resolves. */
const named = (reply, { connectTimeoutMs = PATIENT_MS, ...more }) => ({
  network: [],
  storage: ({ lab }) => ({
    endpoint: `http://r2.example:${new URL(lab.proxy).port}`,
    allowHttp: true,
    connectTimeoutMs,
  }),
  ...more,
  setUp: async (context) => {
    context.names = await nameServer(reply)
    context.onEnd(context.names.close)
    await more.setUp?.(context)
  },
})

const onlyA = (list) => (name, type, nth) => (type === 'A' ? list(nth) : [])

const rows = [
  {
    id: 'D-01',
    what: 'The name does not exist',
    cases: [
      named(() => 3, { name: 'endpoint', expect: { ...NETWORK, code: 'ENOTFOUND', attempts: 4 } }),
      named(() => 3, {
        name: 'source',
        call: (context, options) =>
          context.storage.downloadAndUpload({ ...options, url: 'https://gone.lab-pictures.com/a.png' }),
        expect: { code: 'ENOTFOUND', retryable: true },
      }),
    ],
  },
  {
    id: 'D-02',
    what: 'The name server fails (SERVFAIL)',
    cases: [
      // The resolver itself asks twice.
      named((name, type, nth) => (nth <= 4 ? 2 : onlyA(() => [['A', '127.0.0.1']])(name, type)), {
        name: 'passes',
        expect: { ok: true, attempts: [1, 3] },
      }),
      named(() => 2, { name: 'stays', expect: { ...NETWORK, code: 'EAI_AGAIN', attempts: 4 } }),
    ],
  },
  {
    id: 'D-03',
    what: 'The name server never responds',
    cases: [
      named(() => undefined, {
        connectTimeoutMs: 400,
        expect: { retryable: true, code: ['ETIMEDOUT', 'EAI_AGAIN'], attempts: 4 },
      }),
    ],
  },
  {
    id: 'D-05',
    what: 'The name is there, without an address',
    cases: [named(() => [], { expect: { ...NETWORK, code: 'ENOTFOUND', attempts: 4 } })],
  },
  {
    id: 'D-06',
    what: 'The first of two addresses is dead, its packets dropped',
    cases: [
      named(
        onlyA(() => [
          ['A', '93.184.216.35'],
          ['A', '127.0.0.1'],
        ]),
        {
          connectTimeoutMs: 20_000,
          network: filter('ip daddr 93.184.216.35 drop'),
          expect: { ok: true, attempts: 1 },
        },
      ),
    ],
  },
  {
    id: 'D-07',
    what: 'An IPv6 address whose packets are dropped, and an IPv4 address that responds',
    cases: [
      named((name, type) => (type === 'AAAA' ? [['AAAA', '2606:4700:4700::1111']] : [['A', '127.0.0.1']]), {
        connectTimeoutMs: 20_000,
        network: filter('ip6 daddr 2606:4700:4700::1111 drop'),
        expect: { ok: true, attempts: 1 },
      }),
    ],
  },
  {
    id: 'D-08',
    what: 'The address changes between attempts; the old one is dead',
    cases: [
      named(
        onlyA((nth) => [['A', nth === 1 ? '93.184.216.35' : '127.0.0.1']]),
        {
          network: filter('ip daddr 93.184.216.35 reject with tcp reset'),
          expect: { ok: true, attempts: [1, 2] },
          check: ({ names }, _, assert) =>
            assert.ok(names.asked.filter((question) => question === 'A r2.example').length >= 2),
        },
      ),
    ],
  },
  {
    id: 'D-04',
    what: 'The name server responds late: after the resolver has asked again',
    cases: [
      named(
        onlyA((nth) => (nth === 1 ? undefined : [['A', '127.0.0.1']])),
        { expect: { ok: true, attempts: [1, 4] } },
      ),
    ],
  },
  {
    id: 'D-09',
    what: 'Two hundred look-ups hang at once; another host continues working',
    cases: [
      named((name, type) => (name === 'hang.example' ? undefined : onlyA(() => [['A', '127.0.0.1']])(name, type)), {
        call: async (context, options) => {
          const port = new URL(context.lab.proxy).port
          const hung = context.lab.storage({
            endpoint: `http://hang.example:${port}`,
            allowHttp: true,
            retry: { ...context.retry, maxAttempts: 2 },
            connectTimeoutMs: 400,
          })
          context.others = [hung]
          const calls = Array.from({ length: 200 }, (_, n) =>
            hung.uploadFile({ body: 'x', key: `hung/${n}` }).then(
              () => 'stored',
              (error) => error.code,
            ),
          )
          const direct = context.lab.storage({ retry: context.retry })
          context.others.push(direct)
          const result = await direct.uploadFile({ ...options, body: context.body })
          context.hung = await Promise.all(calls)
          return result
        },
        expect: { ok: true, attempts: 1 },
        check: (context, _, assert) =>
          assert.ok(
            context.hung.every((code) => ['ETIMEDOUT', 'EAI_AGAIN', 'ERR_CIRCUIT_OPEN'].includes(code)),
            `${new Set(context.hung)}`,
          ),
      }),
    ],
  },
  {
    id: 'D-10',
    what: 'A chain of twenty aliases; twenty addresses of which the last replies',
    cases: [
      named(
        onlyA(() => [
          ...Array.from({ length: 20 }, (_, n) => [
            'CNAME',
            `c${n + 1}.example`,
            n === 0 ? 'r2.example' : `c${n}.example`,
          ]),
          ['A', '127.0.0.1', 'c20.example'],
        ]),
        { name: 'aliases', expect: { ok: true, attempts: [1, 4] } },
      ),
      named(
        onlyA(() => [...Array.from({ length: 19 }, (_, n) => ['A', `93.184.216.${100 + n}`]), ['A', '127.0.0.1']]),
        {
          name: 'addresses',
          network: ['ip route add unreachable 93.184.216.0/25', 'ip route add unreachable 93.184.216.96/27'],
          expect: { ok: true, attempts: 1 },
        },
      ),
    ],
  },
  {
    id: 'D-11',
    what: "Nobody listens on the name server's port",
    cases: [
      {
        network: [],
        storage: ({ lab }) => ({ endpoint: `http://r2.example:${new URL(lab.proxy).port}`, allowHttp: true }),
        expect: { ...NETWORK, code: 'EAI_AGAIN', attempts: 4 },
      },
    ],
  },
  {
    id: 'D-12',
    what: 'Six hundred sources whose name servers never respond: uploads, files and other sources continue, on few threads',
    cases: [
      named(
        (name, type) =>
          name.endsWith('.dead-pictures.com') ? undefined : onlyA(() => [['A', '127.0.0.1']])(name, type),
        {
          body: noise(2 * 1024 * 1024),
          source: (request, response) => response.end('picture'),
          call: async (context, options) => {
            const stop = new AbortController()
            const dead = Array.from({ length: 600 }, (_, n) =>
              context.storage
                .downloadAndUpload({
                  key: `dead/${n}`,
                  url: `https://h${n}.dead-pictures.com/x.png`,
                  signal: stop.signal,
                  retry: { maxAttempts: 1 },
                })
                .catch(() => {}),
            )
            while (context.names.asked.length < 100) await new Promise((resolve) => setTimeout(resolve, 10))
            const url = context.source.url.replace('127.0.0.1', 'good.lab-pictures.com')
            const honest = await context.storage.downloadAndUpload({
              key: 'honest',
              url,
              allowedHosts: ['good.lab-pictures.com'],
            })
            const result = await context.storage.uploadFile({ body: context.body, ...options })
            context.seen = { threads: readdirSync('/proc/self/task').length, size: honest.size }
            stop.abort()
            await Promise.all(dead)
            return result
          },
          expect: { ok: true, attempts: 1 },
          check: ({ seen }, _, assert) => {
            assert.ok(seen.threads < 64, `${seen.threads} threads`)
            assert.equal(seen.size, 7)
          },
        },
      ),
    ],
  },
]

module.exports = { title: 'D: names', rows }
