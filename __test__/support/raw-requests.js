'use strict'

// Requests as bytes for a socket: right, wrong in one place, or broken. Arbitraries of fast-check draw them; see
// `exchangeBytes` for how they are sent.

const { createHash, createHmac } = require('node:crypto')
const net = require('node:net')
const fc = require('fast-check')

const sha256 = (data) => createHash('sha256').update(data).digest('hex')
const hmac = (key, data) => createHmac('sha256', key).update(data).digest()
const encode = (text) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
const escapeAll = (text) => [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')

const KEYS = [
  'a',
  'a/b',
  '../a',
  '../../a',
  'a/../../../b',
  './a',
  '/a',
  '//',
  '..',
  'a%2f..%2fb',
  'a\\..\\b',
  'C:\\a',
  '\u00e9/\u{1f600}',
  'a'.repeat(1024),
  'a\u0001b',
  'a\n',
  '~',
  '*',
  'con',
  '.upload-1',
  '.fake',
  'a?b#c',
]
const PARTS =
  '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"x"</ETag></Part></CompleteMultipartUpload>'
const DOCUMENTS = [
  '',
  '<',
  PARTS,
  PARTS.slice(0, 60),
  '<Part>'.repeat(5000),
  '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
  '<a '.repeat(2000),
  '\0\xff',
  '{}',
  '<Part><PartNumber>1e99</PartNumber></Part>',
  '<![CDATA[',
]
const document = fc.constantFrom(...DOCUMENTS)

/** Stands for an upload of the key `a` that the server has. */
const OPEN = 'open'
/** What a request asks for: [method, query, body]. */
const OPERATIONS = [
  ['GET', {}, ''],
  ['HEAD', {}, ''],
  ['PUT', {}, 'some bytes'],
  ['DELETE', {}, ''],
  ['POST', { uploads: '' }, ''],
  ['GET', { uploadId: 'none' }, ''],
  ['PUT', { uploadId: 'none', partNumber: '1' }, 'a part'],
  ['GET', { uploadId: OPEN }, ''],
  ['PUT', { uploadId: OPEN, partNumber: '1' }, 'a part'],
  ['PUT', { uploadId: OPEN, partNumber: '1e1' }, 'a part'],
  ['DELETE', { uploadId: 'none' }, ''],
  ['GET', { 'response-content-type': 'a\r\nb: c' }, ''],
  ['GET', { 'response-cache-control': 'no-store', 'X-Amz-Signature': 'x', 'X-Amz-Expires': '1' }, ''],
  ['OPTIONS', {}, ''],
  ['PATCH', {}, 'x'],
  ['TRACE', {}, ''],
  ['CONNECT', {}, ''],
  ['PROPFIND', {}, ''],
  ['BREW', {}, ''],
  ['get', {}, ''],
  ['', {}, ''],
]
const KNOWN_OPERATIONS = 13

/** Mostly the usual, so that a request is wrong in one place and gets as far as that. */
const mostly = (usual, ...others) =>
  fc.oneof({ weight: 8, arbitrary: usual }, ...others.map((arbitrary) => ({ weight: 1, arbitrary })))
const operation = mostly(
  fc.constantFrom(...OPERATIONS.slice(0, KNOWN_OPERATIONS)),
  fc.constantFrom(...OPERATIONS.slice(KNOWN_OPERATIONS)),
  document.map((body) => ['POST', { uploadId: OPEN }, body]),
  fc
    .dictionary(fc.string({ maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 12 }), { maxKeys: 3 })
    .map((query) => ['GET', query, '']),
)

/** Lists of a bucket, in place of an operation on a key. */
const list = fc.record(
  {
    'list-type': fc.constantFrom('2', '1', ''),
    'max-keys': fc.constantFrom('0', '-1', '1e9', 'x', '10'),
    prefix: fc.string({ maxLength: 4 }),
    'continuation-token': fc.string({ maxLength: 6 }),
    'encoding-type': fc.constantFrom('url', 'x'),
  },
  { requiredKeys: [] },
)

/** Lines that a parser of HTTP takes. */
const harmless = fc.oneof(
  fc.constantFrom(
    'range: bytes=',
    'range: bytes=5-1',
    'range: bytes=-0',
    'range: bytes=-',
    'range: bytes=0-0,2-2',
    'range: bytes=99999999999999999999-',
    'range: items=0-1',
    'range: bytes=0-99999999999999999999',
  ),
  fc.constantFrom(
    'if-match: *',
    'if-match: ,',
    'if-none-match: "',
    'if-modified-since: x',
    'if-unmodified-since: Thu, 01 Jan 1970 00:00:00 GMT',
    'x-amz-copy-source: /../../x',
    'content-md5: x',
    'content-md5: AAAAAAAAAAAAAAAAAAAAAA==',
    'x-amz-checksum-crc32: !',
    'x-amz-checksum-sha256: x',
  ),
  fc.constantFrom(
    'expect: 100-continue',
    'upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AA',
    'connection: x, y',
    'te: trailers',
    'trailer: x',
  ),
  fc.constantFrom(
    'x-amz-meta-__proto__: x',
    'x-amz-meta-constructor: x',
    '__proto__: x',
    'x-amz-meta-: x',
    'content-type: a\xff',
    'content-encoding: aws-chunked',
    'content-encoding: ,,,',
    'set-cookie: a\r\nset-cookie: b',
    'cookie: a',
  ),
)
/** Lines that it may refuse, and those that change what the request is. */
const broken = fc.oneof(
  fc.constantFrom(
    'host: other',
    'authorization: x',
    'connection: close',
    'expect: 200-ok',
    'upgrade: websocket\r\nconnection: upgrade',
  ),
  fc.constantFrom(
    'no colon',
    ': no name',
    ' folded',
    'a\x00b: c',
    'a b: c',
    'x: \x01',
    'x:\x7f',
    `x: ${'y'.repeat(20_000)}`,
    `x: ${'y'.repeat(70_000)}`,
    'x-amz-date: never',
    'x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    'x-amz-content-sha256: UNSIGNED-PAYLOAD',
  ),
  fc.constant(Array.from({ length: 600 }, (_, index) => `x-${index}: y`).join('\r\n')),
  fc.string({ unit: 'binary', maxLength: 30 }).map((text) => `x: ${text}`),
)

/** How the bytes of a body are announced: each gives the header lines and the bytes. */
const FRAMINGS = {
  'its length': (body) => [[`content-length: ${body.length}`], body],
  'no length': (body) => [[], body],
  'a longer length': (body) => [[`content-length: ${body.length + 5}`], body],
  'a shorter length': (body) => [[`content-length: ${Math.max(0, body.length - 3)}`], body],
  'two lengths': (body) => [[`content-length: ${body.length}`, `content-length: ${body.length + 1}`], body],
  'a negative length': (body) => [['content-length: -1'], body],
  'a giant length': (body) => [['content-length: 99999999999999999999999'], body],
  'a length of 4 GiB': (body) => [['content-length: 4294967296'], body],
  'no number': (body) => [['content-length: 0x10'], body],
  chunks: (body) => [['transfer-encoding: chunked'], chunked(body)],
  'chunks and a length': (body) => [['transfer-encoding: chunked', `content-length: ${body.length}`], chunked(body)],
  'chunks without an end': (body) => [['transfer-encoding: chunked'], chunked(body).slice(0, -5)],
  'chunks of a wrong size': (body) => [
    ['transfer-encoding: chunked'],
    `${(body.length + 9).toString(16)}\r\n${body}\r\n0\r\n\r\n`,
  ],
  'chunks of no size': (body) => [['transfer-encoding: chunked'], `x\r\n${body}\r\n0\r\n\r\n`],
  'chunks of a giant size': (body) => [['transfer-encoding: chunked'], `ffffffffffffffffff\r\n${body}`],
  'chunks of a negative size': (body) => [['transfer-encoding: chunked'], `-1\r\n${body}\r\n0\r\n\r\n`],
  'chunks with giant extensions': (body) => [
    ['transfer-encoding: chunked'],
    `1;${'e'.repeat(40_000)}\r\nx\r\n0\r\n\r\n${body}`,
  ],
  'chunks with trailers': (body) => [
    ['transfer-encoding: chunked'],
    `${chunked(body).slice(0, -2)}x-amz-checksum-crc32: x\r\nhost: y\r\n\r\n`,
  ],
  'another coding': (body) => [['transfer-encoding: gzip, chunked'], chunked(body)],
  'chunked twice': (body) => [['transfer-encoding: chunked, chunked'], chunked(body)],
  'chunks of SDKs': (body) => [
    [`content-length: ${body.length + 16}`, 'content-encoding: aws-chunked'],
    `${body.length.toString(16)};chunk-signature=x\r\n${body}`,
  ],
}
const chunked = (body) => `${body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`}0\r\n\r\n`

/** How a path is written: each takes it with escapes, and as it is. */
const TARGETS = {
  plain: (path) => path,
  'an absolute URI': (path, { host }) => `http://${host}${path}`,
  'an absolute URI of another host': (path) => `http://user:pass@127.0.0.1:1${path}`,
  'an absolute URI of another scheme': (path) => `file://${path}`,
  escapes: (_, { raw }) => `/${escapeAll(raw.slice(1))}`,
  'no escapes': (_, { raw }) => Buffer.from(raw).toString('latin1'),
  'no slash': (path) => path.slice(1),
  'two slashes': (path) => `/${path}`,
  'dot segments': (path) => `/x/..${path}/./y/..`,
  'escaped dot segments': (path) => `/%2e%2e/%2E%2E${path}`,
  'a fragment': (path) => `${path}#x`,
  'half an escape': (path) => `${path}%`,
  'no UTF-8': (path) => `${path}%ff%fe`,
  'an escaped NUL': (path) => `${path}%00`,
  'an overlong dot': (path) => `${path}/%c0%ae%c0%ae/x`,
  'an asterisk': () => '*',
  nothing: () => '',
  'an authority': (_, { host }) => host,
  'a giant path': (path) => `${path}${'/x'.repeat(40_000)}`,
}

const SIGNATURES = [
  'none',
  'wrong',
  'of another key',
  'old',
  'no ASCII',
  'empty',
  'of no headers',
  'of headers that are absent',
]
const request = fc.record({
  operation,
  key: fc.constantFrom(...KEYS, null),
  list,
  target: mostly(fc.constant('plain'), fc.constantFrom(...Object.keys(TARGETS))),
  headers: mostly(
    fc.constant([]),
    fc.array(harmless, { maxLength: 3 }),
    fc.array(harmless, { maxLength: 3 }),
    fc.array(broken, { minLength: 1, maxLength: 2 }),
  ),
  framing: mostly(fc.constant('its length'), fc.constantFrom(...Object.keys(FRAMINGS))),
  signature: mostly(fc.constant('right'), fc.constantFrom(...SIGNATURES)),
  version: mostly(
    fc.constant('HTTP/1.1'),
    fc.constantFrom('HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', 'HTTP/1.1.1', 'http/1.1', 'ICY', ''),
  ),
})

/** What happens to the bytes of a connection before they are sent. */
const damage = fc.record({
  at: fc.nat(3000),
  how: fc.constantFrom('cut', 'flip', 'insert', 'remove'),
  byte: fc.nat(255),
})
const connection = fc.record({
  requests: fc.array(request, { minLength: 1, maxLength: 4 }),
  damage: mostly(fc.constant(undefined), damage, damage),
  pieces: fc.constantFrom(Infinity, Infinity, 1000, 7),
  end: mostly(fc.constant('half-close'), fc.constant('reset')),
})

/** Of a server: { host, bucket, accessKey, secretKey, uploadId }. */
function bytesOf(
  { operation: [method, query, text], key, list, target, headers, framing, signature, version },
  server,
) {
  const isOfUpload = query.uploadId === OPEN
  const raw = `/${server.bucket}${isOfUpload ? '/a' : key === null ? '' : `/${key}`}`
  const given = isOfUpload ? { ...query, uploadId: server.uploadId } : key === null ? list : query
  const pairs = Object.entries(given)
  const search = pairs
    .map((pair) => pair.map((part) => encode(part.toWellFormed())).join('='))
    .sort()
    .join('&')
  const path = raw
    .split('/')
    .map((part) => encode(part))
    .join('/')
  const [framed, sent] = FRAMINGS[framing](text)
  const lines = [
    `host: ${server.host}`,
    ...signed({ method, path, search, text, signature }, server),
    ...framed,
    ...headers,
  ]
  const written = `${TARGETS[target](path, { raw, host: server.host })}${search === '' ? '' : `?${search}`}`
  return Buffer.from(`${method} ${written} ${version}\r\n${lines.join('\r\n')}\r\n\r\n${sent}`, 'latin1')
}

function signed({ method, path, search, text, signature }, { host, accessKey, secretKey }) {
  if (signature === 'none') return []
  const time = Date.now() - (signature === 'old' ? 86_400_000 : 0)
  const date = new Date(time).toISOString().replace(/[-:]|\.\d+/g, '')
  const values = { host, 'x-amz-content-sha256': sha256(Buffer.from(text, 'latin1')), 'x-amz-date': date }
  const names =
    { 'of no headers': '', 'of headers that are absent': 'host;__proto__;constructor;x' }[signature] ??
    Object.keys(values).join(';')
  const canonical = [
    method,
    path,
    search,
    ...Object.keys(values).map((name) => `${name}:${values[name]}`),
    '',
    names,
    values['x-amz-content-sha256'],
  ].join('\n')
  const scope = `${date.slice(0, 8)}/auto/s3/aws4_request`
  const key = scope.split('/').reduce(hmac, `AWS4${secretKey}`)
  const right = hmac(key, ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n')).toString('hex')
  const shown = { wrong: 'f'.repeat(64), 'no ASCII': '\xe9'.repeat(64), empty: '' }[signature] ?? right
  const id = signature === 'of another key' ? 'another' : accessKey
  return [
    `x-amz-content-sha256: ${values['x-amz-content-sha256']}`,
    `x-amz-date: ${date}`,
    `authorization: AWS4-HMAC-SHA256 Credential=${id}/${scope}, SignedHeaders=${names}, Signature=${shown}`,
  ]
}

function damaged(bytes, { at: place, how, byte }) {
  const at = place % bytes.length
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at + 1)]
  if (how === 'cut') return before
  if (how === 'remove') return Buffer.concat([before, after])
  return Buffer.concat([before, Buffer.of(byte), how === 'flip' ? after : bytes.subarray(at)])
}

/** The bytes of a connection that was drawn. */
function connectionBytes({ requests, damage }, server) {
  const bytes = Buffer.concat(requests.map((request) => bytesOf(request, server)))
  return damage ? damaged(bytes, damage) : bytes
}

/** Sends bytes on a connection of its own, and gives what comes back before the server closes it. */
function exchangeBytes(port, bytes, { pieces = Infinity, end = 'half-close' } = {}) {
  return new Promise((resolve) => {
    const received = []
    const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    socket.on('data', (chunk) => received.push(chunk))
    // A server may close before it has read everything.
    socket.on('error', () => {})
    socket.on('end', () => socket.end())
    socket.on('close', () => resolve(Buffer.concat(received).toString('latin1')))
    socket.once('connect', () => {
      const count = Math.min(bytes.length / pieces, 50)
      for (let index = 0; index < count; index += 1) socket.write(bytes.subarray(index * pieces, (index + 1) * pieces))
      const rest = pieces === Infinity ? bytes : bytes.subarray(Math.ceil(count) * pieces)
      if (rest.length > 0) socket.write(rest)
      if (end === 'reset') socket.resetAndDestroy()
      else socket.end()
    })
  })
}

module.exports = { connection, connectionBytes, exchangeBytes }
