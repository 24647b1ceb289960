'use strict'

// T: handshakes that fail, certificates that must not be accepted, TLS that breaks.

const http = require('node:http')
const tls = require('node:tls')
const { inProcess } = require('./connections.js')
const { NETWORK, TIMEOUT, retried } = require('./support/cases.js')

const RESET = { ...NETWORK, code: 'ECONNRESET', requests: 0 }

/** At each of three connections to an attempt. */
const handshake = (fault, expect) => [
  { name: 'twice', tls: true, faults: [{ ...fault, times: 2 }], expect: { ok: true, attempts: [1, 3], requests: 1 } },
  { name: 'always', tls: true, faults: [fault], expect: { attempts: 4, ...expect } },
]

const refused = (fault, code) => [
  { tls: true, faults: [fault], expect: { category: 'network', retryable: false, code, attempts: 1, requests: 0 } },
]

const certificate = (kind, code) => refused({ fault: 'tlsCertificate', kind }, code)

const rows = [
  { id: 'T-01', what: "The connection ends after the client's hello", cases: handshake({ fault: 'tlsCut' }, RESET) },
  {
    id: 'T-02',
    what: "The connection is reset in the middle of the server's hello",
    cases: handshake({ fault: 'tlsStop', end: 'reset' }, RESET),
  },
  {
    id: 'T-03',
    what: 'The handshake stops in the middle',
    cases: handshake({ fault: 'tlsStop', end: 'hold' }, { ...TIMEOUT, requests: 0 }).map((test) => ({
      ...test,
      storage: { connectTimeoutMs: test.expect.ok ? 4000 : 600 },
    })),
  },
  {
    id: 'T-04',
    what: 'The port speaks HTTP and no TLS',
    cases: [
      {
        tls: true,
        setUp: async (context) => {
          const server = http.createServer()
          await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
          context.plain = `https://127.0.0.1:${server.address().port}`
          context.onEnd(() => new Promise((resolve) => server.close(resolve)))
        },
        storage: ({ plain }) => ({ endpoint: plain }),
        expect: { category: 'network', retryable: false, code: 'EPROTO', attempts: 1 },
      },
    ],
  },
  {
    id: 'T-05',
    what: 'A fatal alert: handshake failure, unrecognized name; an internal error, which may pass',
    cases: [40, 112]
      .map((description) => ({
        ...refused({ fault: 'tlsAlert', description }, 'EPROTO')[0],
        name: `alert ${description}`,
      }))
      .concat(handshake({ fault: 'tlsAlert', description: 80 }, RESET)),
  },
  { id: 'T-06', what: 'The certificate has expired', cases: certificate('expired', 'CERT_HAS_EXPIRED') },
  {
    id: 'T-07',
    what: 'The certificate is signed by itself, or by an authority that nobody knows; with `caCertificates` it is accepted',
    cases: [
      {
        ...certificate('selfSigned', [
          'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
          'DEPTH_ZERO_SELF_SIGNED_CERT',
          'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
        ])[0],
        name: 'by itself',
      },
      {
        name: 'unknown authority',
        storage: ({ lab }) => ({ endpoint: lab.tlsProxy }),
        expect: {
          category: 'network',
          retryable: false,
          code: ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
          attempts: 1,
        },
      },
      { name: 'authority given', tls: true, expect: { ok: true, attempts: 1 } },
    ],
  },
  {
    id: 'T-08',
    what: 'The certificate is for another host',
    cases: certificate('otherName', 'ERR_TLS_CERT_ALTNAME_INVALID'),
  },
  {
    id: 'T-09',
    what: 'The server knows no more than TLS 1.1',
    cases: [
      {
        setUp: async (context) => {
          const { serverCertificate: cert, serverKey: key } = context.lab
          const server = tls.createServer({
            cert,
            key,
            minVersion: 'TLSv1',
            maxVersion: 'TLSv1.1',
            ciphers: 'DEFAULT:@SECLEVEL=0',
          })
          server.on('tlsClientError', () => {})
          await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
          context.old = `https://localhost:${server.address().port}`
          context.onEnd(() => new Promise((resolve) => server.close(resolve)))
        },
        storage: ({ lab, old }) => ({ endpoint: old, caCertificates: [lab.caCertificate] }),
        expect: { category: 'network', retryable: false, code: 'EPROTO', attempts: 1 },
      },
    ],
  },
  {
    id: 'T-10',
    what: "The certificate is not valid yet, or this machine's clock is wrong",
    cases: certificate('notYetValid', 'CERT_NOT_YET_VALID'),
  },
  {
    id: 'T-11',
    what: 'A bit of the encrypted upload is turned on the line',
    cases: retried(
      { fault: 'tlsFlip', afterBytes: 50_000 },
      { ...NETWORK, code: ['EPROTO', 'ECONNRESET', 'EPIPE'], retryable: true },
      { tls: true, body: 200_000 },
    ).map((test) => ({
      ...test,
      expect: { ...test.expect, requests: false },
    })),
  },
  {
    id: 'T-12',
    what: "The response ends early, the connection without TLS's own end",
    cases: retried(
      {
        fault: 'raw',
        response: [{ text: 'HTTP/1.1 200 OK\r\netag: "0"\r\ncontent-length: 100\r\n\r\nhalf' }],
        end: 'fin',
      },
      { ...NETWORK, code: 'ECONNRESET' },
      { tls: true },
    ),
  },
  {
    id: 'T-13',
    what: 'The machine has no certificates of authorities',
    cases: [
      {
        call: (context) =>
          inProcess(context, ['env', 'SSL_CERT_FILE=/nowhere', 'SSL_CERT_DIR=/nowhere'], NO_AUTHORITIES),
        expect: { ok: true, stored: 'any' },
        check: (context, { value }, assert) => assert.match(value.output, /^UNABLE_TO_/),
      },
    ],
  },
  {
    id: 'T-14',
    what: 'HTTP/2: GOAWAY, refused streams',
    impossible: "HTTP/1.1 alone is offered and spoken, as by R2's S3 endpoint",
  },
  {
    id: 'T-15',
    what: 'The stapled revocation response is noise',
    cases: [
      { tls: true, faults: [{ fault: 'tlsCertificate', kind: 'junkStaple' }], expect: { ok: true, attempts: 1 } },
    ],
  },
]

/** Mozilla's authorities, which come with the package, do not know the test server's: it is refused, not a crash. */
const NO_AUTHORITIES = `
const { newStorage } = require('./index.js')
newStorage({ logger: false, endpoint: process.env.STORAGE_TLS_ENDPOINT })
  .uploadFile({ body: 'x', key: 'bare.txt' }).then(() => console.log('stored'), (error) => console.log(error.code))`

module.exports = { title: 'T: TLS', rows }
