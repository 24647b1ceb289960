'use strict'

// A server that stores what is PUT. It checks no signature: what the facade hands over is the matter here;
// the whole way to a real S3 server is tested elsewhere.

const { createHash } = require('node:crypto')
const { once } = require('node:events')
const { createServer } = require('node:http')
const { buffer } = require('node:stream/consumers')

async function startServer() {
  const objects = new Map()
  const replies = []
  const server = createServer(async (request, response) => {
    const body = await buffer(request).catch(() => undefined)
    if (!body) return
    const reply = replies.shift()
    if (reply === 'hang') return
    if (reply === 'reset') return request.socket.destroy()
    if (reply && reply !== 200) return response.writeHead(reply).end()
    if (request.method === 'GET')
      return response.writeHead(200, { 'content-type': 'image/png' }).end(`got with ${request.headers.from}`)
    if (request.method === 'PUT')
      objects.set(decodeURIComponent(request.url.split('?')[0]), { body, headers: request.headers })
    response.writeHead(200, { etag: `"${createHash('md5').update(body).digest('hex')}"` }).end()
  })
  let connections = 0
  server.on('connection', () => (connections += 1))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const endpoint = `http://127.0.0.1:${server.address().port}`
  return {
    endpoint,
    config: { endpoint, accessKey: 'AK', secretKey: 'CANARYSECRET', bucket: 'pictures', logger: false },
    connections: () => connections,
    object: (key) => objects.get(`/pictures/${key}`),
    /** Statuses (200 is one that is well), 'reset' or 'hang' for the next requests; then all is well. */
    respond: (...next) => replies.push(...next),
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

module.exports = { startServer }
