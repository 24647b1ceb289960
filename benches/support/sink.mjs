// An S3 server that keeps nothing, and a source of as many bytes as one asks for: a process of its own, so that what
// is measured is the client. Prints its URL.

import { createHash } from 'node:crypto'
import { createServer } from 'node:http'

const piece = Buffer.alloc(1024 * 1024, 'reliable')
const xml = (name, text) => `<?xml version="1.0" encoding="UTF-8"?><${name}>${text}</${name}>`
const answerXml = (answer, text) => answer.setHeader('content-type', 'application/xml').end(text)

/** ETags of the parts of each upload: what it is made of at the end. */
const uploads = new Map()

const server = createServer(async (request, answer) => {
  const url = new URL(request.url, 'http://localhost')
  const upload = url.searchParams.get('uploadId')
  if (request.method === 'GET') return give(Number(url.searchParams.get('bytes')), answer)
  if (request.method === 'POST' && url.searchParams.has('uploads')) {
    const id = String(uploads.size + 1)
    uploads.set(id, new Map())
    return answerXml(answer, xml('InitiateMultipartUploadResult', `<UploadId>${id}</UploadId>`))
  }
  const md5 = createHash('md5')
  for await (const chunk of request) md5.update(chunk)
  if (request.method === 'POST') {
    const parts = [...uploads.get(upload)].sort(([a], [b]) => a - b).map(([, etag]) => Buffer.from(etag, 'hex'))
    uploads.delete(upload)
    const etag = `${createHash('md5').update(Buffer.concat(parts)).digest('hex')}-${parts.length}`
    return answerXml(answer, xml('CompleteMultipartUploadResult', `<ETag>"${etag}"</ETag>`))
  }
  const etag = md5.digest('hex')
  uploads.get(upload)?.set(Number(url.searchParams.get('partNumber')), etag)
  answer.setHeader('etag', `"${etag}"`).end()
})

async function give(bytes, answer) {
  answer.setHeader('content-length', bytes)
  for (let left = bytes; left > 0; left -= piece.length) {
    if (!answer.write(piece.subarray(0, left))) await new Promise((resolve) => answer.once('drain', resolve))
  }
  answer.end()
}

server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
process.stdin.on('end', () => process.exit(0)).resume()
