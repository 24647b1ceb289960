// The clients of benches/peers.mjs: as their documentation has them used and as they come, and with five attempts and a
// timeout of ten seconds, as far as each has such settings. Imported by a process that runs one of them.

import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const ATTEMPTS = 5
const TIMEOUT_MS = 10_000

function ours(options) {
  const { newStorage } = require('../../index.js')
  return ({ url, bucket, accessKey, secretKey }) => {
    const storage = newStorage({ endpoint: url, bucket, accessKey, secretKey, logger: false, ...options })
    return (key, body) => storage.uploadFile({ key, body })
  }
}

function s3Client({ url, accessKey, secretKey }, options) {
  const { S3Client } = require('@aws-sdk/client-s3')
  const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey }
  return new S3Client({ endpoint: url, region: 'auto', forcePathStyle: true, credentials, ...options })
}

const awsSdk = (options) => (place) => {
  const { PutObjectCommand } = require('@aws-sdk/client-s3')
  const client = s3Client(place, options)
  return (key, body) => client.send(new PutObjectCommand({ Bucket: place.bucket, Key: key, Body: body }))
}

const libStorage = (options) => (place) => {
  const { Upload } = require('@aws-sdk/lib-storage')
  const client = s3Client(place, options)
  return (key, body) => new Upload({ client, params: { Bucket: place.bucket, Key: key, Body: body } }).done()
}

const EQUAL_AWS = {
  maxAttempts: ATTEMPTS,
  requestHandler: { connectionTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS, throwOnRequestTimeout: true },
}

const aws4fetch =
  (options) =>
  ({ url, bucket, accessKey, secretKey }) => {
    const { AwsClient } = require('aws4fetch')
    const client = new AwsClient({
      accessKeyId: accessKey,
      secretAccessKey: secretKey,
      service: 's3',
      region: 'auto',
      ...options,
    })
    return async (key, body) => {
      const signal = options.retries === undefined ? undefined : AbortSignal.timeout(ATTEMPTS * TIMEOUT_MS)
      const response = await client.fetch(`${url}/${bucket}/${key}`, { method: 'PUT', body, signal })
      await response.arrayBuffer()
      if (!response.ok) throw new Error(`status ${response.status}`)
    }
  }

const s3mini =
  (options) =>
  async ({ url, bucket, accessKey, secretKey }) => {
    const { S3mini } = await import('s3mini')
    const client = new S3mini({
      accessKeyId: accessKey,
      secretAccessKey: secretKey,
      endpoint: `${url}/${bucket}`,
      region: 'auto',
      ...options,
    })
    const type = 'application/octet-stream'
    return async (key, body) => {
      const response = await (body.length > 8_388_608
        ? client.putAnyObject(key, body, type)
        : client.putObject(key, body, type))
      if (response?.ok === false) throw new Error(`status ${response.status}`)
    }
  }

const minio =
  (options) =>
  async ({ url, bucket, accessKey, secretKey }) => {
    const { Client } = require('minio')
    const { hostname, port, protocol } = new URL(url)
    const client = new Client({
      endPoint: hostname,
      port: Number(port),
      useSSL: protocol === 'https:',
      accessKey,
      secretKey,
      region: 'auto',
      ...options,
    })
    return (key, body) => client.putObject(bucket, key, body, body.length)
  }

const bun =
  (options) =>
  ({ url, bucket, accessKey, secretKey }) => {
    const client = new Bun.S3Client({
      accessKeyId: accessKey,
      secretAccessKey: secretKey,
      endpoint: url,
      bucket,
      region: 'auto',
    })
    return (key, body) => client.write(key, body, options)
  }

const opendal =
  (layers) =>
  ({ url, bucket, accessKey, secretKey }) => {
    const { Operator, RetryLayer, TimeoutLayer } = require('opendal')
    let operator = new Operator('s3', {
      endpoint: url,
      bucket,
      region: 'auto',
      access_key_id: accessKey,
      secret_access_key: secretKey,
    })
    if (layers) {
      const timeout = Object.assign(new TimeoutLayer(), { timeout: TIMEOUT_MS, ioTimeout: TIMEOUT_MS })
      const retry = Object.assign(new RetryLayer(), { maxTimes: ATTEMPTS - 1 })
      operator = operator.layer(timeout.build()).layer(retry.build())
    }
    return (key, body) => operator.write(key, body)
  }

/**
 * `equal`: five attempts of ten seconds, where there are such settings. `loads`: what it is asked to store; a client that
 * sends large objects in one request has no row for them.
 */
export const clients = [
  { name: 'reliable-r2', ours: true, loads: ['small', 'large'], connect: () => ours() },
  {
    name: 'reliable-r2, `persistent`',
    ours: true,
    loads: ['small', 'large'],
    connect: () => ours({ retry: 'persistent' }),
  },
  {
    name: 'reliable-r2, 5 attempts of 10 s',
    ours: true,
    equal: true,
    loads: ['small', 'large'],
    connect: () =>
      ours({
        retry: { maxAttempts: ATTEMPTS, timeout: TIMEOUT_MS, initialDelayMs: 100, maxDelayMs: 2000, timeoutGrowth: 1 },
      }),
  },
  { name: '@aws-sdk/client-s3', package: '@aws-sdk/client-s3', loads: ['small'], connect: () => awsSdk() },
  { name: '@aws-sdk/client-s3, 5 attempts of 10 s', equal: true, loads: ['small'], connect: () => awsSdk(EQUAL_AWS) },
  { name: '@aws-sdk/lib-storage', package: '@aws-sdk/lib-storage', loads: ['large'], connect: () => libStorage() },
  {
    name: '@aws-sdk/lib-storage, 5 attempts of 10 s',
    equal: true,
    loads: ['large'],
    connect: () => libStorage(EQUAL_AWS),
  },
  { name: 'minio', package: 'minio', loads: ['small'], connect: () => minio() },
  {
    name: 'minio, 5 attempts',
    equal: true,
    loads: ['small'],
    connect: () => minio({ retryOptions: { maximumRetryCount: ATTEMPTS - 1 } }),
  },
  { name: 's3mini', package: 's3mini', loads: ['small', 'large'], connect: () => s3mini() },
  {
    name: 's3mini, timeout of 10 s',
    equal: true,
    loads: ['small', 'large'],
    connect: () => s3mini({ requestAbortTimeout: TIMEOUT_MS }),
  },
  { name: 'aws4fetch', package: 'aws4fetch', loads: ['small'], connect: () => aws4fetch({}) },
  {
    name: 'aws4fetch, 5 attempts within 50 s',
    equal: true,
    loads: ['small'],
    connect: () => aws4fetch({ retries: ATTEMPTS - 1 }),
  },
  { name: "Bun's S3Client", package: 'bun', runtime: 'bun', loads: ['small', 'large'], connect: () => bun() },
  {
    name: "Bun's S3Client, 5 attempts",
    equal: true,
    runtime: 'bun',
    loads: ['small', 'large'],
    connect: () => bun({ retry: ATTEMPTS - 1 }),
  },
  { name: 'opendal', package: 'opendal', loads: ['small'], connect: () => opendal() },
  { name: 'opendal, 5 attempts of 10 s', equal: true, loads: ['small'], connect: () => opendal(true) },
]
