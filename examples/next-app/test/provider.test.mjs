// The drawing service behind HTTP: a real server here, and the app started anew to use it.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { freePort, startNextApp } from '../../../scripts/lib/next-app.mjs'
import { formWith, post, sample, stored } from './support.mjs'

describe('the HTTP provider', () => {
  let service
  let app
  let replies = []
  const requests = []

  before(async () => {
    service = createServer(async (request, response) => {
      const chunks = []
      for await (const chunk of request) chunks.push(chunk)
      const text = Buffer.concat(chunks).toString()
      requests.push({ authorization: request.headers.authorization, body: text && JSON.parse(text) })
      const [status, body] = replies.shift() ?? [500, {}]
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    })
    await new Promise((resolve) => service.listen(0, '127.0.0.1', resolve))
    const DRAWING_API_URL = `http://127.0.0.1:${service.address().port}/draw`
    app = await startNextApp(await freePort(), { DRAWING_API_URL, DRAWING_API_KEY: 'canary-key' }, undefined, 'ignore')
  })
  after(async () => {
    await app?.stop()
    service?.close()
  })

  const draw = async () => {
    const response = await post(formWith(['cat']), { url: app.url })
    return { status: response.status, body: await response.json() }
  }

  test('is asked with the picture, again after a 503, and its drawing is stored', async () => {
    replies = [
      [503, {}],
      [200, { image: sample('coffee').toString('base64') }],
    ]
    const { status, body } = await draw()
    assert.equal(status, 200)
    assert.deepEqual(stored(body.results[0].drawing.key), sample('coffee'))
    assert.equal(requests.length, 2)
    assert.equal(requests[0].authorization, 'Bearer canary-key')
    assert.deepEqual(Buffer.from(requests[0].body.image.split(',')[1], 'base64'), sample('cat'))
  })

  test('that responds 400 costs the drawing, not the input', async () => {
    replies = [[400, {}]]
    const { status, body } = await draw()
    assert.equal(status, 502)
    assert.equal(body.results[0].drawing.drawingError, true)
    assert.deepEqual(stored(body.results[0].input.key), sample('cat'))
  })

  test('cannot make the app fetch from a private network', async () => {
    replies = [[200, { url: `http://127.0.0.1:${service.address().port}/secret` }]]
    const before = requests.length
    const { body } = await draw()
    assert.equal(body.results[0].drawing.drawingError, true)
    assert.equal(requests.length, before + 1)
  })
})
