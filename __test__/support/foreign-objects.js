'use strict'

// Objects as other clients store them, drawn by seed, and what this package has to see of them.

const assert = require('node:assert/strict')
const { buffer } = require('node:stream/consumers')
const { dice } = require('./dice.js')

const PIECES = [
  'a',
  'Z',
  '0',
  'photo.png',
  '.',
  '..',
  '...',
  '/',
  '/',
  '//',
  ' ',
  '  ',
  '+',
  '%',
  '%20',
  '%2e%2e',
  '%00',
  '\\',
  '?',
  '#',
  '&',
  '=',
  ';',
  ':',
  '@',
  ',',
  '<',
  '>',
  '"',
  "'",
  '`',
  '|',
  '^',
  '{',
  '}',
  '[',
  ']',
  '*',
  '!',
  '(',
  ')',
  '~',
  '$',
  '\t',
  '\n',
  '\r',
  '\0',
  '\u0001',
  '\u001f',
  '\u007f',
  '\u0085',
  '\u00a0',
  'é',
  'é',
  '漢字',
  '😀',
  '\u200e',
  '\u202e',
  '\u2028',
  '\ufeff',
  '\ufffd',
  '\ufffe',
  '\uffff',
  ']]>',
  '<!--',
  '&amp;',
  '&#1;',
  'CON',
]

/** Of the kinds that go wrong most; the others are drawn. */
const KNOWN_KEYS = [
  '/',
  '//',
  '/a',
  'a/',
  'a//b',
  './x',
  '../x',
  'a/./b',
  'a/../b',
  'a/..',
  '../../pictures/x',
  '.../x',
  '%2e%2e/x',
  'a\\..\\b',
  ' ',
  '   ',
  ' a ',
  '\t',
  '\n',
  'a\u0001b',
  '\0',
  '\ufffe',
  'a+b c%20d',
  '+',
  '%',
  '%zz',
  ']]>&<!--',
  'e\u0301',
  'x'.repeat(1024),
  '漢'.repeat(341),
  '/'.repeat(1024),
]

function drawKey({ some }) {
  const key = some(PIECES, 8).join('')
  return Buffer.byteLength(key) <= 1024 ? key : 'short'
}

const utf8 = (text) => Buffer.from(text).toString('latin1')
const word = (text) => `=?UTF-8?B?${Buffer.from(text).toString('base64')}?=`

/** A header's value as bytes, one to a character, and what it means. */
function drawValue({ one }) {
  const plain = one([
    'plain',
    'a; b="c"',
    'x'.repeat(300),
    '0',
    'a,b',
    "filename*=UTF-8''%E6%BC%A2",
    '=?',
    '=?x',
    '=?UTF-8?B?!!?=',
    '=?ISO-8859-1?Q?caf=E9?=',
    '=?UTF-8?Q?=C?=',
  ])
  const foreign = one(['résumé', '漢字 😀', 'café', 'Ünïcödé'])
  const latin1 = one(['r\xe9sum\xe9.pdf', '\xdcber', 'caf\xe9'])
  return one([
    { bytes: plain, text: plain },
    { bytes: utf8(foreign), text: foreign },
    { bytes: latin1, text: latin1 },
    { bytes: word(foreign), text: foreign, onlyMetadata: true },
  ])
}

const FIELDS = {
  'content-type': 'contentType',
  'content-disposition': 'disposition',
  'cache-control': 'cacheControl',
  'content-language': 'contentLanguage',
  expires: 'expires',
}

/** { key, body, headers, expected }: what is sent, and what `head` has to say of it. */
function drawObject(draw, key) {
  const headers = {}
  const expected = { metadata: {} }
  const type = draw.one([
    { bytes: 'image/png' },
    { bytes: `text/plain; name="${utf8('é')}"`, text: 'text/plain; name="é"' },
    { bytes: 'nonsense' },
  ])
  headers['content-type'] = type.bytes
  expected.contentType = type.text ?? type.bytes
  for (const [name, field] of Object.entries(FIELDS)) {
    if (name === 'content-type' || draw.chance(0.6)) continue
    const value = drawValue(draw)
    if (value.onlyMetadata) continue
    headers[name] = value.bytes
    expected[field] = value.text
  }
  for (const name of ['title', 'a-b', 'x.y', '__proto__x']) {
    if (draw.chance(0.5)) continue
    const value = drawValue(draw)
    headers[`x-amz-meta-${name}`] = value.bytes
    expected.metadata[name] = value.text
  }
  return { key, body: Buffer.from(`${draw.below(1e9)}`), headers, expected }
}

/** Objects of every known kind of key and of drawn ones. */
function drawObjects(seed, count) {
  const draw = dice(seed)
  const keys = new Set([...KNOWN_KEYS, ...Array.from({ length: count }, () => drawKey(draw))])
  return [...keys].map((key) => drawObject(draw, key))
}

/** What the bytes of a header, one to a character, mean. */
function decoded(bytes) {
  if (bytes === undefined) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(bytes, 'latin1'))
  } catch {
    return bytes
  }
}

/** As `drawValue` makes it. */
function metadataOf(headers) {
  const entries = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-'))
  const meaning = (bytes) => {
    const encoded = /^=\?utf-8\?b\?([\w+/]+=*)\?=$/i.exec(bytes)
    return encoded ? Buffer.from(encoded[1], 'base64').toString() : decoded(bytes)
  }
  return Object.fromEntries(entries.map(([name, bytes]) => [name.slice('x-amz-meta-'.length), meaning(bytes)]))
}

/**
 * Stores objects by `raw` as far as the server takes them, and holds what `storage` says of them against what `raw` sees.
 * Gives what was accepted.
 */
async function checkForeignObjects({ raw, storage, seed, count, keepsHeaders = false, opensPresigned = () => true }) {
  const accepted = []
  for (const object of drawObjects(seed, count)) {
    // A server may refuse the key, or the headers, or break off.
    const put = (headers) =>
      raw.request('PUT', object.key, { headers, body: object.body }).then(
        ({ status }) => status === 200,
        () => false,
      )
    if ((await put(object.headers)) || (await put({}))) accepted.push(object)
  }
  const there = await raw.keys()
  const listed = async (options) => {
    const found = []
    for await (const { key } of storage.list(options)) found.push(key)
    return found
  }
  assert.deepEqual(await listed({ pageSize: 7 }), there, 'list')
  const held = []
  for (const object of accepted) {
    const { key, body, expected } = object
    const name = JSON.stringify(key)
    const seen = await raw.request('GET', key).catch(() => undefined)
    if (!seen) continue
    const head = await storage.head({ key }).catch((error) => error)
    // A server may take a key and lose it, or hold the object under another name: it says the same to both.
    if (seen.status !== 200 || !there.includes(key)) {
      assert.deepEqual(
        [head.status ?? 200, head.size],
        [seen.status, seen.status === 200 ? seen.body.length : undefined],
        `head ${name}`,
      )
      continue
    }
    held.push(object)
    assert.equal(head.size, seen.body.length, `head ${name}: ${head.stack}`)
    assert.equal(await storage.exists({ key }), true, name)
    const { body: stream, metadata } = await storage.download({ key })
    assert.deepEqual(await buffer(stream), seen.body, `download ${name}`)
    for (const [header, field] of Object.entries(FIELDS))
      assert.equal(head[field], decoded(seen.headers[header]), `${field} of ${name}`)
    assert.deepEqual(metadata, metadataOf(seen.headers), name)
    if (keepsHeaders && seen.body.equals(body)) {
      for (const [field, value] of Object.entries(expected)) assert.deepEqual(head[field], value, `${field} of ${name}`)
    }
    await checkUrls(storage, key, opensPresigned(key) ? seen.body : undefined)
  }
  for (const { key } of held.filter((_, index) => index % 5 === 0)) {
    const prefix = [...key].slice(0, 2).join('')
    assert.deepEqual(await listed({ prefix }), await raw.keys({ prefix }), `list of prefix ${JSON.stringify(prefix)}`)
    assert.deepEqual(
      await listed({ startAfter: key }),
      await raw.keys({ 'start-after': key }),
      `list after ${JSON.stringify(key)}`,
    )
  }
  await checkDeletes(raw, storage, held, there)
  return held
}

/** Every URL names the key, also behind a parser of URLs; the keys of dots alone have none. */
async function checkUrls(storage, key, body) {
  const name = JSON.stringify(key)
  if (key === '.' || key === '..') return assert.rejects(storage.presign({ key }), { code: 'ERR_INVALID_KEY' })
  const { url } = await storage.presign({ key })
  assert.equal(new URL(url).href, url, name)
  const named = storage.publicUrl({ key })
  assert.equal(new URL(named).href, named, name)
  assert.equal(decodeURIComponent(new URL(named).pathname).split('/').slice(2).join('/'), key, name)
  if (!body) return
  const response = await fetch(url)
  assert.equal(response.status, 200, `${name}: ${url.split('?')[0]}`)
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), body, name)
}

/** Every second object is deleted; the others stay. */
async function checkDeletes(raw, storage, held, there) {
  // rclone finds a key under another Unicode form of it, too, as long as there is one.
  const forms = there.map((key) => key.normalize())
  const isAlone = ({ key }) => forms.filter((form) => form === key.normalize()).length === 1
  const doomed = held
    .filter(isAlone)
    .filter((_, index) => index % 2 === 0)
    .map(({ key }) => key)
  for (const key of doomed) {
    await storage.delete({ key })
    assert.equal((await raw.request('HEAD', key)).status, 404, `delete ${JSON.stringify(key)}`)
    assert.equal(await storage.exists({ key }), false)
  }
  assert.deepEqual(
    await raw.keys(),
    there.filter((key) => !doomed.includes(key)),
    'what was not deleted',
  )
  for (const key of doomed) await storage.delete({ key })
}

module.exports = { checkForeignObjects }
