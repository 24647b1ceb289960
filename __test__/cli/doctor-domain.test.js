'use strict'

const assert = require('node:assert/strict')
const { mkdtempSync, readdirSync, rmSync, writeFileSync } = require('node:fs')
const { createServer } = require('node:http')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { after, before, describe, test } = require('node:test')
const { Lab } = require('../support/lab.js')
const { commandLine } = require('./support/cli.js')

describe('doctor reads its probe by STORAGE_DOMAIN', { timeout: 120_000 }, () => {
  let lab
  let folder
  const servers = []
  before(async () => {
    lab = await Lab.start()
    folder = mkdtempSync(path.join(tmpdir(), 'reliable-r2-doctor-'))
  })
  after(async () => {
    for (const server of servers) {
      server.close()
      server.closeAllConnections()
    }
    await lab.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const serve = async (respond) => {
    const server = createServer(respond)
    servers.push(server)
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${server.address().port}`
  }
  const probeOf = (request) => lab.stored(decodeURIComponent(request.url.slice(1)))

  const diagnose = async (env) => {
    const { code, out } = await commandLine(folder, { ...lab.environment, ...env })([
      'doctor',
      '--json',
      '--retry',
      'fast',
    ])
    const steps = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(probesLeft(), [], 'the probe is gone')
    return { code, step: steps.find(({ step }) => step === 'public domain'), last: steps.at(-1) }
  }
  const probesLeft = () => {
    try {
      return readdirSync(path.join(lab.folder, 'pictures', 'reliable-r2-doctor'))
    } catch {
      return []
    }
  }

  test('where the domain shows the bucket, all is well', async () => {
    const domain = await serve((request, response) =>
      response.setHeader('cf-cache-status', 'BYPASS').end(probeOf(request)),
    )
    const { code, step } = await diagnose({ STORAGE_DOMAIN: domain })
    assert.deepEqual([code, step.ok, step.warning], [0, true, undefined])
    assert.equal(step.found, `the same bytes by ${domain}, cache BYPASS`)
  })

  test('without a domain it warns', async () => {
    const { code, step } = await diagnose({})
    assert.deepEqual([code, step.ok], [0, true])
    assert.match(step.warning, /STORAGE_DOMAIN is not set/)
  })

  const faults = {
    'other bytes': [
      (_, response) => response.setHeader('content-type', 'text/html').end('<h1>A site</h1>'),
      /other bytes \(text\/html\)/,
      /shows something else than this bucket/,
    ],
    'a missing object': [
      (_, response) => response.writeHead(404).end(),
      /responds with 404/,
      /does not show this bucket/,
    ],
    'a refusal': [(_, response) => response.writeHead(403).end(), /responds with 403/, /public access/],
    'a redirect to https': [
      (request, response) =>
        response.writeHead(301, { location: `https://${request.headers.host}${request.url}` }).end(),
      /redirect to https:/,
      /write STORAGE_DOMAIN=https:/,
    ],
    'a redirect to a login': [
      (_, response) => response.writeHead(302, { location: 'https://login.example.com/?kid=CANARY' }).end(),
      /redirect to https:\/\/login\.example\.com/,
      /Cloudflare Access/,
    ],
    'trouble of the server': [(_, response) => response.writeHead(522).end(), /responds with 522/, /cloudflarestatus/],
  }
  for (const [name, [respond, problem, advice]] of Object.entries(faults)) {
    test(`finds ${name}`, async () => {
      const { code, last } = await diagnose({ STORAGE_DOMAIN: await serve(respond) })
      assert.deepEqual([code, last.step, last.ok], [1, 'public domain', false])
      assert.match(last.problem, problem)
      assert.match(last.advice, advice)
    })
  }

  test('finds https where the domain speaks http', async () => {
    const domain = await serve((request, response) => response.end(probeOf(request)))
    const { code, last } = await diagnose({ STORAGE_DOMAIN: domain.replace('http:', 'https:') })
    assert.deepEqual([code, last.step], [1, 'public domain'])
    assert.equal(last.advice, `The host speaks http there: write STORAGE_DOMAIN=${domain}`)
  })

  test('finds http where the domain, or the endpoint, speaks https', async () => {
    const ca = path.join(folder, 'ca.pem')
    writeFileSync(ca, lab.caCertificate)
    const http = lab.tlsProxy.replace('https:', 'http:')
    const endpoint = await diagnose({ STORAGE_ENDPOINT: http, NODE_EXTRA_CA_CERTS: ca })
    assert.deepEqual([endpoint.code, endpoint.last.step], [1, 'TLS'])
    assert.match(endpoint.last.advice, /Write https in STORAGE_ENDPOINT/)
    const { code, last } = await diagnose({ STORAGE_DOMAIN: http, NODE_EXTRA_CA_CERTS: ca })
    assert.deepEqual([code, last.step], [1, 'public domain'])
  })

  test('finds a closed port', async () => {
    const domain = await serve(() => {})
    await new Promise((resolve) => servers.pop().close(resolve))
    const { code, last } = await diagnose({ STORAGE_DOMAIN: domain })
    assert.deepEqual([code, last.code], [1, 'ECONNREFUSED'])
    assert.match(last.advice, /Nothing listens there/)
  })

  test('finds an https endpoint where the server speaks http', async () => {
    const { code, last } = await diagnose({ STORAGE_ENDPOINT: lab.proxy.replace('http:', 'https:') })
    assert.deepEqual([code, last.step], [1, 'TLS'])
    assert.match(last.advice, /speaks http on this port/)
  })
})
