'use strict'

// What this package asks of a store. Each check gives what it saw as plain data, which is `expected`, or what a server is
// known to do instead.

const { createHash } = require('node:crypto')
const { createServer } = require('node:http')
const { noise } = require('../support/lab.js')

const MIB = 1024 * 1024
const picture = noise(100_000)
const film = noise(11 * MIB)
const md5 = (...bodies) => bodies.reduce((hash, body) => hash.update(body), createHash('md5')).digest()
const filmEtag = `${md5(...[0, 5, 10].map((at) => md5(film.subarray(at * MIB, (at + 5) * MIB)))).toString('hex')}-3`

/** The value, or what the failure is called. */
const outcome = (promise) =>
  promise.then(
    (value) => value,
    ({ code, status, category }) => ({ code, status: status ?? null, category }),
  )
const bytesOf = async ({ body }) => Buffer.from(await new Response(body).arrayBuffer())
const refused = { code: 'PreconditionFailed', status: 412, category: 'service' }

/** @type {Record<string, {expected: unknown, check: (tools: {storage, fresh: (options: object) => object}) => Promise<unknown>}>} */
const contract = {
  'put, and the ETag is the MD5': {
    expected: { etag: md5(picture).toString('hex'), parts: 1, attempts: 1 },
    async check({ storage }) {
      const { etag, parts, attempts } = await storage.uploadFile({
        key: 'put.png',
        body: picture,
        contentType: 'image/png',
      })
      return { etag, parts, attempts }
    },
  },
  get: {
    expected: { same: true, size: picture.length, contentType: 'image/png' },
    async check({ storage }) {
      const object = await storage.download({ key: 'put.png' })
      return { same: (await bytesOf(object)).equals(picture), size: object.size, contentType: object.contentType }
    },
  },
  'get of a range': {
    expected: { same: true, size: picture.length },
    async check({ storage }) {
      const object = await storage.download({ key: 'put.png', range: { start: 10, end: 99 } })
      return { same: (await bytesOf(object)).equals(picture.subarray(10, 100)), size: object.size }
    },
  },
  head: {
    expected: { size: picture.length, contentType: 'image/png', etag: md5(picture).toString('hex'), dated: true },
    async check({ storage }) {
      const { size, contentType, etag, lastModified } = await storage.head({ key: 'put.png' })
      return { size, contentType, etag, dated: Math.abs(Date.now() - lastModified) < 600_000 }
    },
  },
  'headers and metadata': {
    expected: {
      cacheControl: 'public, max-age=60',
      disposition: 'attachment; filename="a.png"',
      contentLanguage: 'en',
      metadata: { author: 'me', 'x-y': 'a b' },
    },
    async check({ storage }) {
      const headers = { 'content-disposition': 'attachment; filename="a.png"', 'content-language': 'en' }
      await storage.uploadFile({
        key: 'headers.png',
        body: picture,
        cacheControl: 'public, max-age=60',
        headers,
        metadata: { author: 'me', 'x-y': 'a b' },
      })
      const { cacheControl, disposition, contentLanguage, metadata } = await storage.head({ key: 'headers.png' })
      return { cacheControl, disposition, contentLanguage, metadata }
    },
  },
  'an empty object': {
    expected: { size: 0, etag: md5().toString('hex') },
    async check({ storage }) {
      await storage.uploadFile({ key: 'empty', body: '' })
      const { size, etag } = await storage.head({ key: 'empty' })
      return { size, etag }
    },
  },
  'a key of many kinds of characters': {
    expected: { body: 'odd', listed: ["odd/a b+c&d=e!'()*~é😀.txt"] },
    async check({ storage }) {
      const key = "odd/a b+c&d=e!'()*~é😀.txt"
      await storage.uploadFile({ key, body: 'odd' })
      const listed = []
      for await (const object of storage.list({ prefix: 'odd/' })) listed.push(object.key)
      return { body: (await bytesOf(await storage.download({ key }))).toString(), listed }
    },
  },
  list: {
    expected: [
      ['list/1', 6],
      ['list/2', 6],
      ['list/3', 6],
    ],
    async check({ storage }) {
      for (const key of ['list/3', 'list/1', 'list/2', 'lisu/1']) await storage.uploadFile({ key, body: key })
      const listed = []
      for await (const { key, size } of storage.list({ prefix: 'list/', pageSize: 2 })) listed.push([key, size])
      return listed
    },
  },
  'delete, of what is not there, too': {
    expected: { before: true, after: false, again: 'deleted' },
    async check({ storage }) {
      await storage.uploadFile({ key: 'gone', body: 'x' })
      const before = await storage.exists({ key: 'gone' })
      await storage.delete({ key: 'gone' })
      const after = await storage.exists({ key: 'gone' })
      return { before, after, again: await outcome(storage.delete({ key: 'gone' }).then(() => 'deleted')) }
    },
  },
  'head of what is not there': {
    expected: { code: 'NotFound', status: 404, category: 'service' },
    check: ({ storage }) => outcome(storage.head({ key: 'nothing' })),
  },
  'get of what is not there': {
    expected: { code: 'NotFound', status: 404, category: 'service' },
    check: ({ storage }) => outcome(storage.download({ key: 'nothing' })),
  },
  'put into a bucket that is not there': {
    expected: { code: 'NoSuchBucket', status: 404, category: 'input' },
    check: ({ storage }) => outcome(storage.uploadFile({ bucket: 'elsewhere', key: 'a', body: 'x' })),
  },
  'a wrong secret': {
    expected: { code: 'SignatureDoesNotMatch', status: 403, category: 'auth' },
    check: ({ fresh }) =>
      outcome(
        fresh({ secretKey: 'wrong' })
          .uploadFile({ key: 'wrong', body: 'x' })
          .then(() => 'stored'),
      ),
  },
  'ifNoneMatch where there is nothing': {
    expected: 'first',
    async check({ storage }) {
      await storage.uploadFile({ key: 'once', body: 'first', ifNoneMatch: '*' })
      return (await bytesOf(await storage.download({ key: 'once' }))).toString()
    },
  },
  'ifNoneMatch where there is something': {
    expected: { outcome: refused, body: 'first' },
    async check({ storage }) {
      const second = await outcome(
        storage.uploadFile({ key: 'once', body: 'second', ifNoneMatch: '*' }).then(() => 'stored'),
      )
      return { outcome: second, body: (await bytesOf(await storage.download({ key: 'once' }))).toString() }
    },
  },
  'ifMatch of another version': {
    expected: { outcome: refused, body: 'one' },
    async check({ storage }) {
      await storage.uploadFile({ key: 'match', body: 'one' })
      const other = md5('other').toString('hex')
      const second = await outcome(
        storage.uploadFile({ key: 'match', body: 'two', ifMatch: other }).then(() => 'stored'),
      )
      return { outcome: second, body: (await bytesOf(await storage.download({ key: 'match' }))).toString() }
    },
  },
  'ifMatch of this version': {
    expected: 'two',
    async check({ storage }) {
      const { etag } = await storage.uploadFile({ key: 'this', body: 'one' })
      await storage.uploadFile({ key: 'this', body: 'two', ifMatch: etag })
      return (await bytesOf(await storage.download({ key: 'this' }))).toString()
    },
  },
  'an object in parts': {
    expected: { parts: 3, etag: filmEtag, same: true, metadata: { author: 'me' }, contentType: 'video/mp4' },
    async check({ storage }) {
      const { parts, etag } = await storage.uploadFile({
        key: 'film.mp4',
        body: film,
        contentType: 'video/mp4',
        metadata: { author: 'me' },
      })
      const object = await storage.download({ key: 'film.mp4' })
      return {
        parts,
        etag,
        same: (await bytesOf(object)).equals(film),
        metadata: object.metadata,
        contentType: object.contentType,
      }
    },
  },
  'an object in parts, only where there is none': {
    expected: { outcome: refused, size: film.length },
    async check({ storage }) {
      const second = await outcome(
        storage.uploadFile({ key: 'film.mp4', body: noise(6 * MIB), ifNoneMatch: '*' }).then(() => 'stored'),
      )
      return { outcome: second, size: (await storage.head({ key: 'film.mp4' })).size }
    },
  },
  'an upload in parts that was broken off is found and removed': {
    expected: { removed: ['kept.bin'], left: [] },
    async check({ storage }) {
      async function* broken() {
        yield film.subarray(0, 7 * MIB)
        throw new Error('broken off')
      }
      await storage
        .uploadFile({ key: 'kept.bin', body: broken(), checkpoint: new Map(), contentLength: film.length })
        .catch(() => undefined)
      const clean = async () =>
        (await storage.abortIncompleteUploads({ olderThan: new Date(Date.now() + 60_000) })).removed.map(
          ({ key }) => key,
        )
      return { removed: await clean(), left: await clean() }
    },
  },
  'presigned URLs': {
    expected: { put: 200, get: 'presigned', expired: false },
    async check({ storage }) {
      const put = await storage.presign({ key: 'signed.txt', method: 'PUT', contentType: 'text/plain' })
      const sent = await fetch(put.url, { method: put.method, headers: put.headers, body: 'presigned' })
      const get = await storage.presign({ key: 'signed.txt' })
      return { put: sent.status, get: await (await fetch(get.url)).text(), expired: get.expiresAt < new Date() }
    },
  },
  'a presigned URL that was changed': {
    expected: 403,
    async check({ storage }) {
      const { url } = await storage.presign({ key: 'signed.txt' })
      return (await fetch(url.replace('/signed.txt?', '/put.png?'))).status
    },
  },
  downloadAndUpload: {
    expected: { same: true, contentType: 'image/png' },
    async check({ fresh }) {
      const source = createServer((_, response) => response.setHeader('content-type', 'image/png').end(picture)).listen(
        0,
        '127.0.0.1',
      )
      await new Promise((resolve) => source.once('listening', resolve))
      try {
        const storage = fresh({ allowPrivateNetworks: true })
        await storage.downloadAndUpload({ url: `http://127.0.0.1:${source.address().port}/a.png`, key: 'copy.png' })
        const object = await storage.download({ key: 'copy.png' })
        return { same: (await bytesOf(object)).equals(picture), contentType: object.contentType }
      } finally {
        source.closeAllConnections()
        source.close()
      }
    },
  },
}

module.exports = { MIB, contract }
