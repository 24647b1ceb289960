'use strict'

// A server or a source that sends back what it was sent, in every text of a response: no secret reaches an error, a log
// line, an event, a metric or what the dashboard and recentFailures show.

const assert = require('node:assert/strict')
const { createServer } = require('node:http')
const { describe, test } = require('node:test')
const util = require('node:util')
const { newStorage } = require('../../index.js')
const { dashboard } = require('../../lib/dashboard/index.js')

const SECRET = 'SecretKeyCanary0123456789'
const TOKEN = 'SessionTokenCanary/abc+def=='
const DASHBOARD = 'f3e1a09b77c45d2180aa31be6fc9d012'

const encodings = {
  'as it is': (text) => text,
  'in lower case': (text) => text.toLowerCase(),
  'in upper case': (text) => text.toUpperCase(),
  cut: (text) => text.slice(0, 14),
  'percent-encoded': (text) => encodeURIComponent(text),
  'all percent-encoded': (text) =>
    [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
  'in base64': (text) => Buffer.from(text).toString('base64'),
  'in hex': (text) => Buffer.from(text).toString('hex'),
}
/** What a source may say, and what makes its response a failure. */
const statuses = {
  200: { 'content-encoding': 'unknown' },
  206: { 'content-range': 'bytes 5-9/10' },
  302: {},
  404: {},
  503: {},
}
const fromSource = {
  'status text': (text) => ({ reason: text }),
  'content-type': (text) => ({ headers: { 'content-type': text } }),
  'content-encoding': (text) => ({ headers: { 'content-encoding': text } }),
  'content-range': (text) => ({ headers: { 'content-range': `bytes ${text}` } }),
  'content-disposition': (text) => ({ headers: { 'content-disposition': `attachment; filename="${text}"` } }),
  location: (text) => ({ headers: { location: `http://127.0.0.1:1/?token=${text}` } }),
  'location without a scheme': (text) => ({ headers: { location: `//${text}@[::/` } }),
  'other headers': (text) => ({
    headers: { etag: `"${text}"`, 'last-modified': text, 'retry-after': text, date: text, server: text },
  }),
  body: (text) => ({ body: text }),
}
const escaped = (text) => text.replace(/[&<>]/g, (char) => `&#${char.charCodeAt(0)};`)
const error = (fields) =>
  `<Error>${Object.entries({ Code: 'AccessDenied', Message: 'no', ...fields })
    .map(([name, text]) => `<${name}>${escaped(text)}</${name}>`)
    .join('')}</Error>`
const places = {
  Code: (text) => ({ body: error({ Code: text }) }),
  Message: (text) => ({ body: error({ Message: `The token <${text}> is malformed` }) }),
  'Message, far behind': (text) => ({ body: error({ Message: `${'x '.repeat(140)}${text}` }) }),
  'other elements': (text) => ({ body: error({ RequestId: text, HostId: text, Key: text, Resource: text }) }),
  'request id': (text) => ({ headers: { 'x-amz-request-id': text }, body: error({}) }),
  'cf-ray': (text) => ({ headers: { 'cf-ray': text }, body: '' }),
  'every header': (text) => ({
    headers: {
      etag: `"${text}"`,
      server: text,
      location: `https://example.com/?${text}`,
      'retry-after': text,
      'content-language': text,
      'x-amz-meta-a': text,
    },
    body: error({}),
  }),
  'a page': (text) => ({
    headers: { 'content-type': 'text/html' },
    body: `<html><title>${text}</title>${text}</html>`,
  }),
  'status text': (text) => ({ reason: text, body: '' }),
  'cut XML': (text) => ({ body: error({ Message: text }).slice(0, -20) }),
}

/** All that anybody gets to see of a failed call. */
async function shown(storage, calls) {
  const seen = []
  for (const name of ['attempt', 'retry', 'failure'])
    storage.on(name, (event) => seen.push(util.inspect(event, { depth: 9 }), JSON.stringify(event)))
  for (const call of calls) {
    const failure = await call().catch((error) => error)
    seen.push(util.inspect(failure, { depth: 9, showHidden: true }), JSON.stringify(failure), String(failure?.stack))
  }
  const page = await dashboard(storage, { token: DASHBOARD }).GET(
    new Request('http://localhost/?format=json', { headers: { authorization: `Bearer ${DASHBOARD}` } }),
  )
  seen.push(
    JSON.stringify(storage.recentFailures()),
    storage.metricsText(),
    JSON.stringify(storage.metrics()),
    await page.text(),
  )
  return seen.join('\n')
}

describe('text of a source', { timeout: 120_000 }, () => {
  for (const [place, respond] of Object.entries(fromSource)) {
    test(`in ${place} shows neither its signed URL nor its credentials`, async (t) => {
      let status
      let text
      const server = createServer((request, reply) => {
        const { reason, headers = {}, body = '' } = respond(text)
        request
          .resume()
          .on('end', () =>
            reply.writeHead(status, reason, { ...statuses[status], ...headers, connection: 'close' }).end(body),
          )
      })
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
      t.after(() => server.close())
      const lines = []
      const line = (...args) => lines.push(util.format(...args))
      const logger = { debug: line, info: line, warn: line, error: line }
      const storage = newStorage({
        endpoint: 'http://127.0.0.1:1',
        region: 'auto',
        accessKey: 'a',
        secretKey: 'b',
        bucket: 'pictures',
        logger,
        logLevel: 'debug',
        allowPrivateNetworks: true,
        retry: { maxAttempts: 2, initialDelayMs: 1, maxDelayMs: 1 },
      })
      for (const encode of Object.values(encodings)) {
        for (const secret of [SECRET, TOKEN]) {
          text = encode(secret)
          const url = `http://127.0.0.1:${server.address().port}/picture.png?X-Amz-Signature=${encodeURIComponent(SECRET)}`
          const sourceHeaders = { authorization: `Bearer ${TOKEN}` }
          const calls = Object.keys(statuses).map((number) => () => {
            status = Number(number)
            return storage.downloadAndUpload({ key: 'a', url, sourceHeaders })
          })
          const all = `${await shown(storage, calls)}\n${lines.join('\n')}`
          assert.match(all, /ERR_SOURCE_STATUS/)
          for (const canary of [text.slice(0, 12), SECRET.slice(0, 12), TOKEN.slice(0, 12)]) {
            assert.ok(
              !all.includes(canary),
              all.slice(Math.max(0, all.indexOf(canary) - 120), all.indexOf(canary) + 60),
            )
          }
        }
      }
      storage.close()
    })
  }
})

describe('text of a server', { timeout: 120_000 }, () => {
  for (const [place, respond] of Object.entries(places)) {
    test(`in ${place} shows no secret`, async (t) => {
      let response
      let signature
      const server = createServer((request, reply) => {
        signature = /Signature=(\w+)/.exec(request.headers.authorization ?? '')?.[1] ?? signature
        const { reason, headers = {}, body } = respond(response(signature))
        request.resume().on('end', () => {
          reply.writeHead(403, reason, { 'content-type': 'application/xml', ...headers, connection: 'close' })
          reply.end(request.method === 'HEAD' ? undefined : body)
        })
      })
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
      t.after(() => server.close())
      const endpoint = `http://127.0.0.1:${server.address().port}`
      for (const [encoding, encode] of Object.entries(encodings)) {
        // A piece of a signature signs nothing, and nobody keeps signatures to compare it with.
        const secrets = [() => SECRET, () => TOKEN, ...(encoding === 'cut' ? [] : [(signature) => signature])]
        for (const secret of secrets) {
          const lines = []
          const line = (...args) => lines.push(util.format(...args))
          const logger = { debug: line, info: line, warn: line, error: line }
          const storage = newStorage({
            endpoint,
            region: 'auto',
            accessKey: 'AccessKeyCanary012345',
            secretKey: SECRET,
            sessionToken: TOKEN,
            bucket: 'pictures',
            logger,
            logLevel: 'debug',
            retry: { maxAttempts: 2, initialDelayMs: 1, maxDelayMs: 1 },
          })
          let sent
          response = (signature) => (sent = encode(secret(signature ?? 'f'.repeat(64))))
          const text = await shown(storage, [
            () => storage.uploadFile({ key: 'a', body: 'x' }),
            () => storage.head({ key: 'a' }),
            () => storage.delete({ key: 'a' }),
            async () => {
              for await (const _ of storage.list()) break
            },
          ])
          const all = `${text}\n${lines.join('\n')}`
          const canary = sent.slice(0, 12)
          assert.ok(
            !all.includes(canary),
            `${encoding}: ${all.slice(Math.max(0, all.indexOf(canary) - 120), all.indexOf(canary) + 60)}`,
          )
          storage.close()
        }
      }
    })
  }

  test('a code that is the name of a property of every object keeps the type of its error', async (t) => {
    let code
    const server = createServer((request, reply) =>
      request
        .resume()
        .on('end', () => reply.writeHead(403, { 'content-type': 'application/xml' }).end(error({ Code: code }))),
    )
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.after(() => server.close())
    const storage = newStorage({
      endpoint: `http://127.0.0.1:${server.address().port}`,
      region: 'auto',
      accessKey: 'a',
      secretKey: 'b',
      bucket: 'pictures',
      logger: false,
      retry: { maxAttempts: 1 },
    })
    for (code of [
      'constructor',
      'toString',
      'hasOwnProperty',
      'valueOf',
      'isPrototypeOf',
      '__proto__',
      '__defineGetter__',
    ]) {
      const failure = await storage.uploadFile({ key: 'a', body: 'x' }).catch((error) => error)
      assert.equal(failure.name, 'AuthError', code)
      assert.equal(failure.code, code.startsWith('_') ? 'HTTP_403' : code)
      assert.ok(storage.recentFailures()[0].advice.means.length > 0)
    }
    storage.close()
  })
})
