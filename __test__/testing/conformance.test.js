'use strict'

// The local R2 that is published and that of these tests, which is s3s-fs: two that were written apart respond alike.

const assert = require('node:assert/strict')
const { createHash } = require('node:crypto')
const { after, before, describe, test } = require('node:test')
const { AwsClient } = require('aws4fetch')
const { startLocalR2 } = require('../../lib/testing/index.js')
const { Lab, keys, noise } = require('../support/lab.js')

const MIB = 1024 * 1024
const picture = noise(100_000)
const md5 = (body, encoding = 'base64') => createHash('md5').update(body).digest(encoding)

/** A client of one of the two. What it gives of a response is what must be alike. */
function clientOf(url, secretAccessKey = keys.secretKey) {
  const client = new AwsClient({
    accessKeyId: keys.accessKey,
    secretAccessKey,
    service: 's3',
    region: 'auto',
    retries: 0,
  })
  return async ([method, path, { body, headers, signal } = {}], known) => {
    const place = path.replace('UPLOAD', known.uploadId)
    // aws4fetch signs no hash of a body by itself.
    const hash = createHash('sha256')
      .update(body ?? '')
      .digest('hex')
    const signed = await client.sign(`${url}/${place}`, {
      method,
      body,
      headers: { 'x-amz-content-sha256': hash, ...headers },
    })
    // Given here: an abort does not reach a fetch by its Request, once that is collected.
    const response = await fetch(signed, { signal })
    const bytes = Buffer.from(await response.arrayBuffer())
    const text = bytes.toString()
    known.uploadId = /<UploadId>([^<]+)/.exec(text)?.[1] ?? known.uploadId
    return { status: response.status, code: /<Code>(\w+)/.exec(text)?.[1], headers: response.headers, bytes, text }
  }
}

const ELEMENTS = /<(Key|Size|PartNumber|IsTruncated|KeyCount)>([^<]*)/g
const tags = (text) =>
  Array.from(text.matchAll(ELEMENTS), ([, name, value]) => `${name}=${value.replace(/&(apos|#39);/g, "'")}`).sort()

/**
 * Requests that build on each other: what is sent, and which of the response's headers are compared; `LISTED` for those of
 * lists, whose elements are. A status and a code are R2's, where s3s-fs has no such rule.
 */
const LISTED = Symbol('listed')
const TABLE = [
  [
    'an object is put',
    ['PUT', 'pictures/a.png', { body: picture, headers: { 'content-type': 'image/png', 'x-amz-meta-author': 'me' } }],
    ['etag'],
  ],
  ['and read', ['GET', 'pictures/a.png'], ['etag', 'content-type', 'content-length', 'x-amz-meta-author']],
  ['and asked for', ['HEAD', 'pictures/a.png'], ['etag', 'content-type', 'content-length', 'x-amz-meta-author']],
  [
    'the first bytes',
    ['GET', 'pictures/a.png', { headers: { range: 'bytes=0-9' } }],
    ['content-range', 'content-length'],
  ],
  ['the last bytes', ['GET', 'pictures/a.png', { headers: { range: 'bytes=-7' } }], ['content-range']],
  ['from a place to the end', ['GET', 'pictures/a.png', { headers: { range: 'bytes=99990-' } }], ['content-range']],
  ['a range behind the end', ['GET', 'pictures/a.png', { headers: { range: 'bytes=200000-' } }]],
  ['a read of the same version', ['GET', 'pictures/a.png', { headers: { 'if-match': `"${md5(picture, 'hex')}"` } }]],
  [
    'a read of another version',
    ['GET', 'pictures/a.png', { headers: { 'if-match': '"00000000000000000000000000000000"' } }],
    [],
    [412, 'PreconditionFailed'],
  ],
  [
    'a read of what is known',
    ['GET', 'pictures/a.png', { headers: { 'if-none-match': `"${md5(picture, 'hex')}"` } }],
    [],
    [304, undefined],
  ],
  ['a put that keeps what is there', ['PUT', 'pictures/a.png', { body: 'other', headers: { 'if-none-match': '*' } }]],
  ['a put of nothing', ['PUT', 'pictures/empty', { body: '' }], ['etag']],
  ['a key of many kinds of characters', ['PUT', "pictures/fo%20l/%C3%A9!'()*~.txt", { body: 'x' }], ['etag']],
  ['the same read', ['GET', "pictures/fo%20l/%C3%A9!'()*~.txt"]],
  ['a body with its MD5', ['PUT', 'pictures/md5', { body: 'x', headers: { 'content-md5': md5('x') } }], ['etag']],
  ['a body with another MD5', ['PUT', 'pictures/md5', { body: 'x', headers: { 'content-md5': md5('y') } }]],
  ['a list', ['GET', 'pictures?list-type=2'], LISTED],
  ['a list of a prefix', ['GET', 'pictures?list-type=2&prefix=a'], LISTED],
  ['what is not there', ['GET', 'pictures/no']],
  ['a bucket that is not there', ['PUT', 'elsewhere/a', { body: 'x' }]],
  ['an upload in parts', ['POST', 'pictures/big?uploads']],
  ['its first part', ['PUT', 'pictures/big?partNumber=1&uploadId=UPLOAD', { body: noise(5 * MIB) }], ['etag']],
  ['its second', ['PUT', 'pictures/big?partNumber=2&uploadId=UPLOAD', { body: noise(1000) }], ['etag']],
  ['its parts', ['GET', 'pictures/big?uploadId=UPLOAD'], LISTED],
  ['a part that was never sent', ['POST', 'pictures/big?uploadId=UPLOAD', { body: complete([3, noise(3)]) }]],
  ['its end', ['POST', 'pictures/big?uploadId=UPLOAD', { body: complete([1, noise(5 * MIB)], [2, noise(1000)]) }]],
  ['the whole', ['HEAD', 'pictures/big'], ['content-length']],
  ['its end again', ['POST', 'pictures/big?uploadId=UPLOAD', { body: complete([1, noise(5 * MIB)]) }]],
  ['a part of no upload', ['PUT', 'pictures/big?partNumber=1&uploadId=none', { body: 'x' }]],
  ['another upload', ['POST', 'pictures/gone?uploads']],
  ['aborted', ['DELETE', 'pictures/gone?uploadId=UPLOAD']],
  ['and again', ['DELETE', 'pictures/gone?uploadId=UPLOAD']],
  ['an object is removed', ['DELETE', 'pictures/a.png']],
  ['and is gone', ['HEAD', 'pictures/a.png']],
]

function complete(...parts) {
  const part = ([number, body]) => `<Part><PartNumber>${number}</PartNumber><ETag>"${md5(body, 'hex')}"</ETag></Part>`
  return `<CompleteMultipartUpload>${parts.map(part).join('')}</CompleteMultipartUpload>`
}

describe('the local R2 and the test server respond alike', () => {
  let lab
  let r2
  const sides = []
  before(async () => {
    lab = await Lab.start()
    r2 = await startLocalR2({ accessKey: keys.accessKey, secretKey: keys.secretKey })
    for (const url of [lab.s3, r2.url]) sides.push({ ask: clientOf(url), url, known: {} })
  })
  after(() => Promise.all([lab.stop(), r2.stop()]))

  for (const [name, request, compared = [], rule] of TABLE) {
    const listed = compared === LISTED
    const headers = listed ? [] : compared
    test(name, async () => {
      const [theirs, ours] = await Promise.all(sides.map(({ ask, known }) => ask(request, known)))
      assert.deepEqual([ours.status, ours.code], rule ?? [theirs.status, theirs.code])
      for (const header of headers) assert.equal(ours.headers.get(header), theirs.headers.get(header), header)
      assert.deepEqual(
        headers.filter((header) => !ours.headers.has(header)),
        [],
      )
      if (request[0] === 'GET' && ours.status < 300 && !listed && !rule) assert.deepEqual(ours.bytes, theirs.bytes)
      if (listed) assert.deepEqual(tags(ours.text), tags(theirs.text))
    })
  }

  test('a wrong secret', async () => {
    const responses = await Promise.all(sides.map(({ url }) => clientOf(url, 'other')(['GET', 'pictures/empty'], {})))
    assert.deepEqual(
      responses.map(({ status, code }) => [status, code]),
      Array(2).fill([403, 'SignatureDoesNotMatch']),
    )
  })

  test('faults by chance strike the same requests', async () => {
    const rule = { fault: 'mix', chance: 0.5, seed: 7, method: 'PUT' }
    await lab.faults(rule)
    r2.reset()
    r2.faults([rule])
    const leave = new AbortController()
    const send = (url) => {
      const ask = clientOf(url)
      const requests = Array.from({ length: 40 }, (_, index) =>
        ask(['PUT', `pictures/chance/${index}`, { body: 'x', signal: leave.signal }], {}),
      )
      return Promise.allSettled(requests)
    }
    const sent = [send(lab.proxy), send(r2.url)]
    const struck = (events) =>
      events
        .filter(({ key }) => key?.startsWith('chance/'))
        .map(({ key, action }) => `${key} ${action}`)
        .sort()
    // The test server reports those that hang when they end, which one of them does after half a minute.
    const ends = (lines) => lines.filter((line) => !/hang|stopReading/.test(line))
    const both = async () => [struck(r2.events()), ends(struck(await lab.events()))]
    let [ours, theirs] = await both()
    while (ours.length < 40 || theirs.length < ends(ours).length) [ours, theirs] = await both()
    leave.abort()
    await Promise.all(sent)
    assert.deepEqual(ends(ours), theirs)
    assert.ok(new Set(ours.map((line) => line.split(' ')[1])).size > 4, `${ours}`)
  })
})
