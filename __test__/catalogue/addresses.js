'use strict'

// S, UI: where `downloadAndUpload` must not go. X: what is stored must not become a program. The filter is the one that
// ships, with no host allowed; where an address has to respond, the namespace owns it.

const https = require('node:https')
const net = require('node:net')
const { nameServer } = require('./support/network.js')
const { noise } = require('../support/lab.js')

const NAME = 'cdn.lab-pictures.com'
const PUBLIC = '93.184.216.34'

const fetching = (url, expect, more) => ({
  name: url.length > 60 ? `${url.slice(0, 40)} … of ${url.length}` : JSON.stringify(url).slice(1, -1),
  call: (context, given) => context.storage.downloadAndUpload({ ...given, url }),
  expect: { category: undefined, retryable: false, attempts: 0, ...expect },
  ...more,
})

/** Refused before a packet: the listener on the loopback address receives nothing. */
const refused = (urls, code = ['ERR_BLOCKED_URL', 'ERR_INVALID_URL']) =>
  urls.map((url) => {
    const { category, ...expect } = fetching(url, { code }).expect
    return { ...fetching(url, {}), expect }
  })

const loopback = [
  'http://127.0.0.1',
  'http://127.1',
  'http://127.0.1',
  'http://0',
  'http://0.0.0.0',
  'http://2130706433',
  'http://017700000001',
  'http://0177.0.0.1',
  'http://0x7f.0x0.0x0.0x1',
  'http://0x7f000001',
  'http://0x7f.1',
  'http://127.0.0.1.',
  'http://127.127.127.127',
  'http://１２７.０.０.１',
  'http://127。0。0。1',
  'http://①②⑦.⓪.⓪.①',
  'http://127%2e0%2e0%2e1',
  'http://%31%32%37.0.0.1',
  'http:/127.0.0.1',
  'http:127.0.0.1',
  'http:///127.0.0.1',
  'http:\\\\127.0.0.1\\',
  ' http://127.0.0.1/ ',
  'http://127.0\n.0.1/',
  'HTTP://127.0.0.1',
  'http://localhost',
  'http://LOCALHOST',
  'http://localhost.',
  'http://foo.localhost',
  'http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ',
  'http://loc\u00adalhost',
  'http://[::1]',
  'http://[::]',
  'http://[0:0:0:0:0:ffff:127.0.0.1]',
  'http://[::ffff:7f00:1]',
  'http://[::127.0.0.1]',
  'http://[::ffff:0:127.0.0.1]',
]
const metadata = [
  'http://169.254.169.254/latest/meta-data/',
  'http://2852039166',
  'http://0xA9FEA9FE',
  'http://0xA9.0xFE.0xA9.0xFE',
  'http://0251.0376.0251.0376',
  'http://①⑥⑨.②⑤④.①⑥⑨.②⑤④',
  'http://[::ffff:169.254.169.254]',
  'http://[64:ff9b::a9fe:a9fe]',
  'http://[64:ff9b:1::a9fe:a9fe]',
  'http://[2002:a9fe:a9fe::]',
  'http://[fe80::1]',
  'http://[fd00:ec2::254]',
  'http://[fd20:ce::254]',
  'http://169.254.170.2',
  'http://100.100.100.200',
  'http://192.0.0.192',
  'http://168.63.129.16',
  'http://metadata.google.internal',
  'http://metadata',
  'http://instance-data',
  'http://kubernetes.default.svc',
]
const special = [
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.0.1',
  '3232235521',
  '100.64.0.1',
  '100.127.255.254',
  '198.18.0.1',
  '192.0.0.1',
  '192.0.2.1',
  '198.51.100.1',
  '203.0.113.1',
  '192.88.99.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '[fc00::1]',
  '[ff02::1]',
  '[64:ff9b::7f00:1]',
  '[2002:7f00:1::]',
  '[2001:0:4136:e378:8000:63bf:3fff:fdd2]',
  '[2001:db8::1]',
  '[100::1]',
  '[3fff::1]',
  '[5f00::1]',
].map((host) => `http://${host}`)
const confused = [
  'http://example.com@127.0.0.1/',
  'http://127.0.0.1@example.com/',
  'http://127.0.0.1%2f@example.com/',
  'http://127.1.1.1:80@127.2.2.2:80/',
  'http://127.1.1.1:80@@127.2.2.2:80/',
  'http://127.1.1.1:80#@127.2.2.2:80/',
  'http://example.com\\@127.0.0.1/',
  'http://127.0.0.1\\@example.com/',
]
const noUrl = [
  'http://425.510.425.510',
  'http://4294967296',
  'http://1.1.1.1.1',
  'http://7147006462',
  'http://0x41414141A9FEA9FE',
  'http://0000::1:80',
  'http://[fe80::1%25eth0]',
  'http://127.0.0.1%00.example.com',
  'http://[::1',
  'http://[::1]]',
  'http://[v1.a]',
  'http://h:65536',
  'http://localhost:+11211aaa',
  'http://localhost:00011211aaaa',
]
const schemes = [
  'file:///etc/passwd',
  'gopher://127.0.0.1:6379/_x',
  'ftp://h.com/',
  'data:text/plain,x',
  'javascript:alert(1)',
  'blob:https://h.com/x',
  'dict://h.com',
  'ldap://h.com',
  'jar:https://h.com!/',
  'unix:/run/x',
  'http+unix://x',
  'ws://h.com',
  'about:blank',
  'sftp://h.com',
  'tftp://h.com',
  'netdoc:///x',
  'phar://x',
  'view-source:https://h.com',
]
const ports = [0, 1, 22, 25, 53, 80, 110, 143, 2375, 3306, 5432, 6379, 9200, 11_211, 27_017].map(
  (port) => `https://h.com:${port}/`,
)

/** A public host of our own, whose name `reply` resolves. */
const published = (reply, { serve, url = `https://${NAME}/picture.bin?X-Amz-Signature=CANARY`, ...more }) => ({
  body: PICTURE,
  network: [],
  storage: ({ lab }) => ({ caCertificates: [lab.caCertificate] }),
  ...more,
  setUp: async (context) => {
    await open(context, reply, serve)
    await more.setUp?.(context)
  },
  call: more.call ?? ((context, given) => context.storage.downloadAndUpload({ ...given, url })),
})

const PICTURE = noise(20_000)

async function open(context, reply, serve = (request, response) => response.end(PICTURE)) {
  context.names = await nameServer(reply)
  context.onEnd(context.names.close)
  context.seen = []
  const { serverCertificate: cert, serverKey: key } = context.lab
  const server = https.createServer({ cert, key }, (request, response) => {
    context.seen.push(`${request.headers.host} ${request.url}`)
    serve(request, response, context.seen.length, context)
  })
  server.on('tlsClientError', () => {})
  await new Promise((resolve, reject) => server.once('error', reject).listen(443, PUBLIC, resolve))
  context.onEnd(
    () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(resolve)
      }),
  )
  // Whoever knocks at the inside is received.
  context.knocks = 0
  const inside = []
  for (const port of [443, 80]) {
    const listener = net.createServer((socket) => {
      context.knocks += 1
      socket.destroy()
    })
    await new Promise((resolve, reject) => listener.once('error', reject).listen(port, '127.0.0.1', resolve))
    inside.push(listener)
  }
  context.onEnd(() => Promise.all(inside.map((listener) => new Promise((resolve) => listener.close(resolve)))))
}

const silent = ({ knocks }, outcome, assert) => assert.equal(knocks, 0, 'somebody knocked at the inside')
const a =
  (...list) =>
  (name, type, nth) =>
    type === 'A' ? list.map((address) => ['A', address]) : []
const BLOCKED = { code: 'ERR_BLOCKED_URL', retryable: false }

const redirect = (place) => (request, response) => response.writeHead(302, { location: place }).end()

const rows = [
  { id: 'S-01', what: 'Every spelling of this machine', cases: refused(loopback) },
  { id: 'S-02', what: 'Addresses where clouds keep their secrets', cases: refused(metadata) },
  { id: 'S-03', what: 'Private and special addresses', cases: refused(special) },
  { id: 'S-04', what: 'Names, passwords and delimiters that hide the host', cases: refused(confused) },
  { id: 'S-05', what: 'What parsers disagree on is no URL', cases: refused(noUrl) },
  { id: 'S-06', what: 'Other schemes', cases: refused(schemes) },
  { id: 'S-07', what: 'Other ports', cases: refused(ports) },
  {
    id: 'S-08',
    what: 'The edges of every forbidden range',
    covered: { file: 'src/source/url_guard_tests.rs', test: 'judges_the_edges_of_every_range' },
  },
  {
    id: 'S-09',
    what: 'A public host is fetched from, by the filter that ships',
    cases: [published(a(PUBLIC), { expect: { ok: true, attempts: 1 }, check: silent })],
  },
  {
    id: 'S-R1',
    what: 'A name of somebody else points inside',
    cases: ['127.0.0.1', '10.1.2.3', '169.254.169.254', '192.168.1.1']
      .map((address) => published(a(address), { name: address, expect: BLOCKED, check: silent }))
      .concat(
        ['::1', 'fc00::1', 'fe80::1'].map((address) =>
          published((name, type) => (type === 'AAAA' ? [['AAAA', address]] : []), {
            name: address,
            expect: BLOCKED,
            check: silent,
          }),
        ),
      ),
  },
  {
    id: 'S-R2',
    what: "One of a name's addresses is inside",
    cases: [
      [PUBLIC, '127.0.0.1'],
      ['127.0.0.1', PUBLIC],
    ].map((list) => published(a(...list), { name: list.join(), expect: BLOCKED, check: silent })),
  },
  {
    id: 'S-R3',
    what: 'The name points outside when it is judged, and inside when it is asked for again',
    cases: [
      published((name, type, nth) => (type === 'A' ? [['A', nth === 1 ? PUBLIC : '127.0.0.1']] : []), {
        name: 'the judged address is the one that is used',
        expect: { ok: true, attempts: 1 },
        check: silent,
      }),
      published((name, type, nth) => (type === 'A' ? [['A', nth === 1 ? PUBLIC : '127.0.0.1']] : []), {
        name: 'a retry is judged anew',
        serve: (request, response) => response.socket.destroy(),
        expect: BLOCKED,
        check: silent,
      }),
    ],
  },
  {
    id: 'S-R4',
    what: 'IPv4 outside, IPv6 inside',
    cases: [
      published((name, type) => (type === 'A' ? [['A', PUBLIC]] : [['AAAA', '::1']]), {
        expect: BLOCKED,
        check: silent,
      }),
    ],
  },
  {
    id: 'S-R5',
    what: 'An alias of localhost',
    cases: [
      published(
        (name, type) =>
          type === 'A'
            ? [
                ['CNAME', 'localhost'],
                ['A', '127.0.0.1', 'localhost'],
              ]
            : [],
        { expect: BLOCKED, check: silent },
      ),
    ],
  },
  {
    id: 'S-R6',
    what: 'Names that spell an address',
    cases: ['127.0.0.1.nip-lab.com', 'localtest-lab.com'].map((name) =>
      published(a('127.0.0.1'), { name, url: `https://${name}/`, expect: BLOCKED, check: silent }),
    ),
  },
  {
    id: 'S-R7',
    what: "The machine's own list of hosts points inside",
    cases: [published(a(PUBLIC), { url: 'https://mapped.lab-pictures.com/', expect: BLOCKED, check: silent })],
  },
  {
    id: 'S-R8',
    what: 'A public host redirects inside: by name, by every spelling, by another scheme',
    cases: [
      'http://127.0.0.1/',
      'https://127.0.0.1/',
      'https://2130706433/',
      'https://[::1]/',
      'https://[::ffff:7f00:1]/',
      'https://localhost/',
      'https://169.254.169.254/latest/',
      'https://0x7f.1/',
      'file:///etc/passwd',
      'ftp://127.0.0.1/',
      '//127.0.0.1/',
    ].flatMap((place) =>
      published(a(PUBLIC), {
        name: place,
        serve: redirect(place),
        expect: { code: ['ERR_BLOCKED_URL', 'ERR_REDIRECT'], retryable: false },
        check: silent,
      }),
    ),
  },
  {
    id: 'S-R9',
    what: 'A redirect to a bare address, which needs no resolver',
    cases: [301, 303, 307, 308].map((number) =>
      published(a(PUBLIC), {
        name: String(number),
        serve: (request, response) => response.writeHead(number, { location: 'https://127.0.0.1/' }).end(),
        expect: BLOCKED,
        check: silent,
      }),
    ),
  },
  {
    id: 'S-R10',
    what: 'Public, public, inside; and places that are none',
    cases: [
      published(a(PUBLIC), {
        name: 'third hop',
        serve: (request, response, nth) => redirect(nth < 3 ? `/hop${nth}` : 'https://127.0.0.1/')(request, response),
        expect: BLOCKED,
        check: silent,
      }),
      published(a(PUBLIC), {
        name: 'backslashes',
        serve: redirect('\\\\127.0.0.1'),
        expect: { code: ['ERR_BLOCKED_URL', 'ERR_REDIRECT'], retryable: false },
        check: silent,
      }),
    ],
  },
  {
    id: 'S-R11',
    what: 'Other ways to send a client elsewhere are ignored',
    cases: [
      published(a(PUBLIC), {
        serve: (request, response) =>
          response
            .writeHead(200, {
              refresh: '0; url=http://127.0.0.1/',
              'alt-svc': 'h3="127.0.0.1:443"',
              link: '<http://127.0.0.1/>; rel=preload',
            })
            .end(PICTURE),
        expect: { ok: true, attempts: 1 },
        check: silent,
      }),
    ],
  },
  {
    id: 'S-R12',
    what: 'Proxies of the environment are not asked',
    cases: [
      published(a(PUBLIC), {
        setUp: (context) => {
          const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy']
          for (const name of names) process.env[name] = 'http://127.0.0.1:80'
          context.onEnd(() => names.forEach((name) => delete process.env[name]))
        },
        expect: { ok: true, attempts: 1 },
        check: silent,
      }),
    ],
  },
  {
    id: 'S-R13',
    what: 'A name is pointed inside after a first download',
    cases: [
      published((name, type, nth) => (type === 'A' ? [['A', nth === 1 ? PUBLIC : '127.0.0.1']] : []), {
        serve: (request, response) => response.writeHead(200, { connection: 'close' }).end(PICTURE),
        call: async (context, given) => {
          const url = `https://${NAME}/a`
          await context.storage.downloadAndUpload({ ...given, key: `${given.key}.first`, url })
          return context.storage.downloadAndUpload({ ...given, url })
        },
        expect: BLOCKED,
        check: silent,
      }),
    ],
  },
  {
    id: 'S-R14',
    what: 'All refusals sound the same',
    covered: { file: 'src/source/url_guard_tests.rs', test: 'every_message_is_the_same_and_hides_the_address' },
  },
  {
    id: 'S-R15',
    what: 'What a source says when it refuses is not passed on',
    cases: [
      published(a(PUBLIC), {
        serve: (request, response) => response.writeHead(403, { 'x-internal': 'CANARY' }).end('CANARY of the inside'),
        expect: { code: 'ERR_SOURCE_STATUS', category: 'source', retryable: false },
      }),
    ],
  },
  { id: 'S-R16', what: 'A hundred requests to one host that holds them', open: 'there is no limit per host: G-24' },
  {
    id: 'S-R17',
    what: 'The right address, a certificate for another name',
    cases: [
      published(a(PUBLIC), {
        url: 'https://other.lab-pictures.com/',
        expect: { code: 'ERR_TLS_CERT_ALTNAME_INVALID', category: 'network', retryable: false },
      }),
    ],
  },
  {
    id: 'UI-01',
    what: 'URLs that are none',
    cases: refused(
      ['', ' ', 'not a url', '/rel', '//h/x', 'http://', 'https://', 'http:///', 'https://?'],
      'ERR_INVALID_URL',
    ),
  },
  {
    id: 'UI-02',
    what: 'URLs that are no strings',
    cases: [undefined, null, 42, {}, { href: 'https://h.com' }].map((url) => ({
      name: String(url),
      call: (context, given) => context.storage.downloadAndUpload({ ...given, url }),
      expect: { code: 'ERR_INVALID_URL', category: 'input', attempts: 0 },
    })),
  },
  { id: 'UI-03', what: 'A URL of 16 KiB', cases: refused([`https://h.com/${'a'.repeat(16_384)}`], 'ERR_INVALID_URL') },
  {
    id: 'UI-04',
    what: 'Spaces, tabs and line breaks in URLs',
    cases: refused(
      ['https://h.com/a b', 'https://h.com/\t', 'https://h.com/\r\nX: y', '\nhttps://h.com', 'https://h.com\0/'],
      'ERR_INVALID_URL',
    ),
  },
  {
    id: 'UI-05',
    what: 'Ports that are none',
    cases: refused([
      'https://h.com:0/',
      'https://h.com:65536/',
      'https://h.com:-1/',
      'https://h.com:80:80/',
      'https://h.com:+1/',
      'https://h.com:abc/',
    ]),
  },
  {
    id: 'UI-06',
    what: 'Host names that are none',
    cases: refused([
      'https://./',
      'https://../',
      'https://a..b/',
      `https://${'a'.repeat(64)}.com/`,
      `https://${'a.'.repeat(130)}com/`,
    ])
      .map((test) => ({
        ...test,
        expect: {
          ...test.expect,
          code: ['ERR_BLOCKED_URL', 'ERR_INVALID_URL', 'ENOTFOUND'],
          retryable: undefined,
          attempts: undefined,
        },
      }))
      .map(({ expect: { code }, ...test }) => ({ ...test, network: [], expect: { code } })),
  },
  {
    id: 'UI-07',
    what: 'A password in a URL',
    cases: refused(['https://u:CANARY@h.com/', 'https://CANARY@h.com/'], 'ERR_BLOCKED_URL'),
  },
  {
    id: 'UI-08',
    what: 'The fragment stays here',
    cases: [
      published(a(PUBLIC), {
        url: `https://${NAME}/a#CANARY`,
        expect: { ok: true, attempts: 1 },
        check: ({ seen }, outcome, assert) => assert.deepEqual(seen, [`${NAME} /a`]),
      }),
    ],
  },
  {
    id: 'UI-09',
    what: 'A name that looks like another is asked for as what it is',
    cases: [
      published(a(PUBLIC), {
        url: 'https://\u0430pple.com/',
        expect: { code: 'ERR_TLS_CERT_ALTNAME_INVALID', retryable: false },
        check: ({ names }, outcome, assert) =>
          assert.ok(names.asked.includes('A xn--pple-43d.com'), names.asked.join()),
      }),
    ],
  },
  {
    id: 'UI-12',
    what: "Signatures in a URL's query are in no error, log line or metric",
    cases: [
      published(a(PUBLIC), {
        serve: (request, response) => response.socket.destroy(),
        expect: { code: ['ECONNRESET', 'EPIPE'], retryable: true },
      }),
    ],
  },
  {
    id: 'X-01',
    what: 'The type of what is stored comes from its bytes, whatever the source says',
    cases: [
      ['html as a picture', '<!doctype html><script>alert(1)</script>', 'image/png'],
      ['svg as a picture', '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', 'image/png'],
      ['a picture as html', '\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'text/html'],
    ].map(([name, text, type]) => ({
      name,
      source: (request, response) => response.writeHead(200, { 'content-type': type }).end(Buffer.from(text, 'latin1')),
      expect: { ok: true, stored: 'any' },
      check: (context, { value }, assert) => {
        if (name === 'a picture as html') assert.equal(value.contentType, 'image/png')
        else assert.notEqual(value.contentType, 'image/png', 'a page that is served as a picture')
      },
    })),
  },
  {
    id: 'X-02',
    what: 'Secrets of every kind, through calls that fail in every way',
    cases: [
      ['a wrong secret', { secretKey: 'OTHERCANARYSECRET' }, []],
      ['a session token', { sessionToken: 'CANARYTOKEN' }, [{ fault: 'status', status: 403, code: 'ExpiredToken' }]],
      ['a reset', {}, [{ fault: 'reset' }]],
      ['a response that is none', {}, [{ fault: 'garbage' }]],
    ].map(([name, storage, faults]) => ({
      name,
      storage,
      faults,
      options: { retry: { maxAttempts: 2 } },
      call: (context, given) => context.storage.uploadFile({ body: context.body, ...given }),
      expect: {
        code: ['SignatureDoesNotMatch', 'ExpiredToken', 'AccessDenied', 'ECONNRESET', 'EPIPE', 'ERR_PROTOCOL'],
      },
    })),
  },
]

module.exports = { title: 'S, UI, X: addresses, URLs, contents, secrets', rows }
