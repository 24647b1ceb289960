'use strict'

// Another client of S3: it sends the path, the headers and the bytes exactly as they are given, and checks nothing.

const { createHash, createHmac } = require('node:crypto')
const http = require('node:http')

const sha256 = (data) => createHash('sha256').update(data).digest('hex')
const hmac = (key, data) => createHmac('sha256', key).update(data).digest()
const encode = (text) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

class RawS3 {
  constructor({ endpoint, accessKey, secretKey, bucket }, region = 'auto') {
    Object.assign(this, { endpoint: new URL(endpoint), accessKey, secretKey, bucket, region })
    this.agent = new http.Agent({ keepAlive: true })
  }

  close() {
    this.agent.destroy()
  }

  /**
   * Values of headers are bytes, one to a character. Gives { status, headers, body }, the headers of the same kind.
   *
   * @param {string} method
   * @param {string | null} key null for the bucket
   */
  request(method, key, { query = {}, headers = {}, body = Buffer.alloc(0) } = {}) {
    const path = `/${this.bucket}${key === null ? '' : `/${key.split('/').map(encode).join('/')}`}`
    const search = Object.entries(query)
      .map((pair) => pair.map(encode).join('='))
      .sort()
      .join('&')
    const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
    const signed = { host: this.endpoint.host, 'x-amz-content-sha256': sha256(body), 'x-amz-date': date }
    const names = Object.keys(signed).join(';')
    const lines = Object.entries(signed)
      .map(([name, value]) => `${name}:${value}\n`)
      .join('')
    const scope = `${date.slice(0, 8)}/${this.region}/s3/aws4_request`
    const canonical = [method, path, search, lines, names, signed['x-amz-content-sha256']].join('\n')
    const secret = scope.split('/').reduce(hmac, `AWS4${this.secretKey}`)
    const signature = hmac(secret, ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n')).toString('hex')
    const authorization = `AWS4-HMAC-SHA256 Credential=${this.accessKey}/${scope}, SignedHeaders=${names}, Signature=${signature}`
    const length = ['PUT', 'POST'].includes(method) ? { 'content-length': body.length } : {}
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.endpoint
      const target = search ? `${path}?${search}` : path
      const options = {
        agent: this.agent,
        hostname,
        port,
        method,
        path: target,
        headers: { ...headers, ...length, ...signed, authorization },
      }
      const request = http.request(options, (response) => {
        const chunks = []
        response.on('data', (chunk) => chunks.push(chunk)).on('error', reject)
        response.on('end', () =>
          resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }),
        )
      })
      request.on('error', reject)
      // Node rewrites a Content-Disposition where the head is made by end().
      if (body.length > 0) request.write(body)
      request.end()
    })
  }

  /** The keys of the bucket, in the server's order. */
  async keys(query = {}) {
    const keys = []
    for (let token; ; ) {
      const page = { 'list-type': '2', 'encoding-type': 'url', ...query, ...(token && { 'continuation-token': token }) }
      const { status, body } = await this.request('GET', null, { query: page })
      const text = body.toString()
      if (status !== 200) throw new Error(`the list got ${status}: ${text}`)
      const isEncoded = text.includes('<EncodingType>url</EncodingType>')
      for (const [, key] of text.matchAll(/<Key>([^<]*)<\/Key>/g)) {
        const plain = unescapeXml(key)
        keys.push(isEncoded ? decodeURIComponent(plain.replaceAll('+', '%20')) : plain)
      }
      token = unescapeXml(/<NextContinuationToken>([^<]*)</.exec(text)?.[1] ?? '')
      if (!/<IsTruncated>true</.test(text)) return keys
    }
  }
}

const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescapeXml(text) {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (_, hex, decimal, name) =>
    name ? ENTITIES[name] : String.fromCodePoint(parseInt(hex ?? decimal, hex ? 16 : 10)),
  )
}

module.exports = { RawS3 }
