'use strict'

// Whatever URL the guard lets through, Node takes for the same: where two parsers see different hosts, one is checked
// and the other is asked. Each run draws other URLs; FC_SEED draws the same again.

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const { existsSync } = require('node:fs')
const { isIP } = require('node:net')
const { test } = require('node:test')
const path = require('node:path')
const fc = require('fast-check')
const { root } = require('../support/lab.js')

const seed = Number(process.env.FC_SEED ?? Date.now() & 0x7fffffff)
const exe = process.platform === 'win32' ? '.exe' : ''
const program = path.join(root, 'target', 'debug', 'examples', `parse-urls${exe}`)

/** What the guard takes each for. */
function guarded(urls) {
  if (!existsSync(program))
    throw new Error('parse-urls is not built: run `cargo build --no-default-features --example parse-urls`')
  const input = urls.map((url) => JSON.stringify(url)).join('\n')
  const { status, stdout, stderr } = spawnSync(program, { input, encoding: 'utf8', maxBuffer: 2 ** 28 })
  assert.equal(status, 0, stderr)
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.equal(lines.length, urls.length)
  return lines
}

/** The same of Node's. */
function ofNode(text) {
  const url = new URL(text)
  url.hash = ''
  const { protocol, hostname } = url
  // In a path, versions of Node.js differ in what they escape.
  const href = url.href.replaceAll('%5E', '^')
  const port = url.port === '' ? { 'http:': 80, 'https:': 443 }[protocol] : Number(url.port)
  const judged = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  return { href, protocol, hostname, port, judged }
}

function compare(urls) {
  let taken = 0
  let passed = 0
  guarded(urls).forEach((ours, n) => {
    const text = urls[n]
    if (ours === null) return
    taken += 1
    if (!URL.canParse(text)) {
      // Of another version of Unicode: a letter that Node does not know yet. It sees no other host, but none.
      assert.match(ours.hostname, /(^|\.)xn--/, `Node takes it for no URL: ${JSON.stringify(text)}; FC_SEED=${seed}`)
      return
    }
    const { passes, ...seen } = ours
    seen.href = seen.href.replaceAll('%5E', '^')
    // An address may be written in more than one way.
    if (isIP(seen.judged) === 6) seen.judged = new URL(`http://[${seen.judged}]`).hostname.slice(1, -1)
    const node = ofNode(text)
    assert.deepEqual(seen, node, `${JSON.stringify(text)}; FC_SEED=${seed}`)
    if (!passes) return
    passed += 1
    assert.ok(node.protocol === 'https:' && node.port === 443 && isIP(node.judged) === 0, text)
    assert.ok(
      node.judged.includes('.') && !/(^|\.)(localhost|local|internal|lan|corp|home|svc)$/.test(node.judged),
      text,
    )
  })
  return { taken, passed }
}

// How attackers write hosts that are not to be asked, and what Node takes them for; undefined for nothing.
const disguises = {
  '127.0.0.1': [
    '127.0.0.1',
    '127.1',
    '127.0.1',
    '2130706433',
    '017700000001',
    '0177.0.0.1',
    '0177.00.00.01',
    '0x7f.0x0.0x0.0x1',
    '0x7f000001',
    '0x7f.1',
    '127.0.0.1.',
    '１２７.０.０.１',
    '127。0。0。1',
    '①②⑦.⓪.⓪.①',
  ],
  '0.0.0.0': ['0', '0.0.0.0', '0x0', '00.0'],
  '169.254.169.254': [
    '169.254.169.254',
    '2852039166',
    '0xA9FEA9FE',
    '0xA9.0xFE.0xA9.0xFE',
    '0251.0376.0251.0376',
    '0251.00376.000251.0000376',
    '①⑥⑨.②⑤④.①⑥⑨.②⑤④',
  ],
  '192.168.0.1': ['3232235521', '192.168.1'],
  localhost: ['localhost', 'LOCALHOST', 'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ', 'loc\u00adalhost'],
  'localhost.': ['localhost.'],
  '[::1]': ['[::1]', '[0:0:0:0:0:0:0:1]', '[0000::0001]'],
  '[::ffff:7f00:1]': ['[::ffff:7f00:1]', '[0:0:0:0:0:ffff:127.0.0.1]'],
  '[::7f00:1]': ['[::127.0.0.1]'],
  '[::ffff:a9fe:a9fe]': ['[::ffff:169.254.169.254]'],
  '[64:ff9b::a9fe:a9fe]': ['[64:ff9b::a9fe:a9fe]', '[64:ff9b::169.254.169.254]'],
}
const nobody = [
  '127%2e0%2e0%2e1',
  '%31%32%37.0.0.1',
  'stra%E1%BA%9Ee.com',
  '425.510.425.510',
  '4294967296',
  '1.1.1.1.1',
  '7147006462',
  '0x41414141A9FEA9FE',
  '[fe80::1%25eth0]',
  '127.0.0.1%00.example.com',
  '[::1',
  '[::1]]',
  '[v1.a]',
  'a:65536',
  'localhost:+11211aaa',
  'localhost:00011211aaaa',
  '0000::1:80',
  '',
  '.',
  'a:0',
  'a b',
  'a\\b',
  'u@a',
  'u:p@a',
  '127.0.0.1\\@example.com',
  'example.com\\@127.0.0.1',
  '127.0.0.1%2f@example.com',
  '127.1.1.1:80@@127.2.2.2:80',
]

test('every disguise of an address is seen through, by both alike', () => {
  for (const [host, forms] of Object.entries(disguises)) {
    for (const scheme of ['http', 'https', 'HTTP']) {
      const urls = forms.map((form) => `${scheme}://${form}/a?b`)
      assert.ok(urls.every((url) => new URL(url).hostname === host))
      guarded(urls).forEach((ours, n) => assert.ok(ours === null || (ours.hostname === host && !ours.passes), urls[n]))
      // As the facade gives them.
      guarded(urls.map((url) => new URL(url).href)).forEach((ours, n) =>
        assert.deepEqual([ours?.hostname, ours?.passes], [host, false], urls[n]),
      )
    }
  }
  const refused = guarded(nobody.map((host) => `https://${host}/`))
  refused.forEach((ours, n) => assert.equal(ours, null, nobody[n]))
})

test('schemes, slashes and blanks that parsers forgive are refused', () => {
  const urls = [
    'http:/127.0.0.1',
    'http:127.0.0.1',
    'http:///127.0.0.1',
    'http:\\\\127.0.0.1\\',
    ' http://127.0.0.1/ ',
    'http://127.0\n.0.1/',
    'file:///etc/passwd',
    'gopher://a.com:70/',
    'ftp://a.com/',
    'data:,x',
    'javascript:1',
    'blob:https://a.com/x',
    'ws://a.com/',
    'jar:https://a.com/x',
    'unix:/x',
    'about:blank',
    'view-source:https://a.com/',
    '//a.com/',
    '/a',
    'a',
    'https:a.com',
    'https:./b://a.com',
    'https://a.com/a|/../b',
    'https://a.com/C:/..',
  ]
  guarded(urls).forEach((ours, n) => assert.equal(ours, null, urls[n]))
})

test('what is public passes', () => {
  const urls = [
    'https://provider.com/a.png?X-Amz-Signature=1',
    'https://xn--bcher-kva.de/',
    'https://a.b.c.d.provider.co.uk:443/x',
    'https://provider.com./a',
    'HTTPS://PROVIDER.COM/%7Ea',
  ]
  assert.deepEqual(compare(urls), { taken: urls.length, passed: urls.length })
})

const pick = (...values) => fc.constantFrom(...values)
const char = fc.oneof(
  pick(...'.-_~%@:/?#[]\\&=+;,!$()*\'"<>^`{|} \t\n'),
  pick(
    'a',
    'B',
    '0',
    '1',
    '7',
    'f',
    'x',
    'é',
    'ß',
    'ς',
    'İ',
    '。',
    '．',
    '\u00ad',
    '\u200d',
    '\u202e',
    '\ud800',
    '℀',
    'ﬀ',
    '１',
    '①',
    '😀',
    '\u0130',
    '\u1e9e',
    '\u2260',
  ),
  fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code)),
)
const some = (maxLength) => fc.array(char, { maxLength }).map((chars) => chars.join(''))
const number = fc
  .oneof(fc.nat(300), fc.nat(2 ** 32 + 5))
  .chain((n) => pick(`${n}`, `0x${n.toString(16)}`, `0X${n.toString(16).toUpperCase()}`, `0${n.toString(8)}`, `00${n}`))
const label = fc.oneof(
  fc.stringMatching(/^[a-z0-9-]{1,8}$/),
  some(6),
  number,
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 }),
  fc.stringMatching(/^[a-z0-9]{1,6}$/).map((tail) => `xn--${tail}`),
)
const host = fc.oneof(
  { weight: 3, arbitrary: fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.')) },
  fc.array(number, { minLength: 1, maxLength: 5 }).map((numbers) => numbers.join('.')),
  pick(...Object.values(disguises).flat(), ...nobody),
  fc.ipV6().map((ip) => `[${ip}]`),
  some(10).map((text) => `[${text}]`),
)
const port = fc.oneof(
  { weight: 4, arbitrary: pick('', ':', ':443', ':80', ':0', ':65536') },
  fc.nat(70_000).map((n) => `:${n}`),
  some(3).map((text) => `:${text}`),
)
const generated = fc
  .oneof(
    {
      weight: 6,
      arbitrary: fc.tuple(
        pick('https', 'http', 'HTTPS', 'hTTp', 'ftp', 'https:'),
        pick('://', '://', '://', ':/', ':', ':///', ':\\\\'),
        pick('', '', '', 'u@', 'u:p@', '@'),
        host,
        port,
        pick('', '/', '/a/../b', '?x', '#y', '\\', '//', '/%zz'),
        fc.oneof(pick(''), some(8)),
      ),
    },
    fc.tuple(some(20)),
    fc.tuple(pick('https://provider.com/', 'http://127.0.0.1/', 'https://a@b.com:1/'), some(20)),
  )
  .map((parts) => parts.join(''))
/** Half a surrogate pair is no text, which the facade says before the guard is asked. */
const urls = fc
  .oneof(
    { weight: 5, arbitrary: generated },
    fc.tuple(generated, fc.nat(30), char).map(([url, at, char]) => url.slice(0, at) + char + url.slice(at)),
  )
  .filter((url) => url.isWellFormed())

test('of thousands of URLs, none is taken for another than Node takes it for', (t) => {
  t.diagnostic(`FC_SEED=${seed}`)
  const numRuns = 20_000 * Number(process.env.FC_TIMES ?? 1)
  const { taken, passed } = compare(fc.sample(urls, { seed, numRuns }))
  t.diagnostic(`${numRuns} URLs, of which ${taken} are URLs of the web to the guard, and ${passed} pass`)
  assert.ok(
    taken > numRuns / 50 && passed > numRuns / 500,
    'enough of them are not refused for the comparison to mean something',
  )
})
