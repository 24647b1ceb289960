// The clients that are compared, each as its own documentation has it used for an upload whose bytes are in memory, and
// for a large file. Imported by a process that runs one of them: nothing of the others is loaded.

import { createReadStream, openAsBlob, statSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const bucket = 'null'
const keys = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' }
const type = 'application/octet-stream'
/** More than the most that is asked for at once: no client is to wait for a connection. */
const MAX_SOCKETS = 1024
/** Beyond it, a client that has uploads in parts uses them. */
const LARGE_BYTES = 16 * 1024 * 1024

async function sound(response) {
  await response.arrayBuffer()
  if (!response.ok) throw new Error(`the sink responded ${response.status}`)
}

function ours(options) {
  const { fromFile, newStorage } = require('../../index.js')
  return ({ url }) => {
    const storage = newStorage({
      endpoint: url,
      bucket,
      accessKey: keys.accessKeyId,
      secretKey: keys.secretAccessKey,
      logger: false,
      ...options,
    })
    return {
      put: (key, body) => storage.uploadFile({ key, body }),
      putFile: (key, path) => storage.uploadFile({ key, body: fromFile(path) }),
    }
  }
}

function baselineAddon({ url, addon }) {
  const module = { exports: {} }
  process.dlopen(module, addon)
  const baseline = new module.exports.Baseline(url, process.env.NODE_EXTRA_CA_CERTS)
  return { put: (_, body) => baseline.put(body) }
}

function awsSdk({ url }) {
  const { S3Client, PutObjectCommand } = require('@aws-sdk/client-s3')
  const { Upload } = require('@aws-sdk/lib-storage')
  const agent = { keepAlive: true, maxSockets: MAX_SOCKETS }
  const client = new S3Client({
    endpoint: url,
    region: 'auto',
    forcePathStyle: true,
    credentials: keys,
    requestHandler: { httpAgent: agent, httpsAgent: agent },
  })
  const inParts = (key, body) => new Upload({ client, params: { Bucket: bucket, Key: key, Body: body } }).done()
  return {
    put: (key, body) =>
      body.length > LARGE_BYTES
        ? inParts(key, body)
        : client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body })),
    putFile: (key, path) => inParts(key, createReadStream(path)),
  }
}

function aws4fetch({ url }) {
  const { AwsClient } = require('aws4fetch')
  const client = new AwsClient({ ...keys, service: 's3', region: 'auto' })
  const put = async (key, body) =>
    sound(await client.fetch(`${url}/${bucket}/${key}`, { method: 'PUT', body, headers: { 'content-type': type } }))
  return { put, putFile: async (key, path) => put(key, await openAsBlob(path)) }
}

async function s3mini({ url }) {
  const { S3mini } = await import('s3mini')
  const client = new S3mini({ ...keys, endpoint: `${url}/${bucket}`, region: 'auto' })
  return {
    put: (key, body) =>
      body.length > LARGE_BYTES ? client.putAnyObject(key, body, type) : client.putObject(key, body, type),
    putFile: async (key, path) => client.putAnyObject(key, await openAsBlob(path), type),
  }
}

async function minio({ url }) {
  const { Client } = require('minio')
  const { hostname, port, protocol } = new URL(url)
  const useSSL = protocol === 'https:'
  const { Agent } = await import(useSSL ? 'node:https' : 'node:http')
  const client = new Client({
    endPoint: hostname,
    port: Number(port),
    useSSL,
    accessKey: keys.accessKeyId,
    secretKey: keys.secretAccessKey,
    region: 'auto',
    transportAgent: new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS }),
  })
  return {
    put: (key, body) => client.putObject(bucket, key, body, body.length),
    putFile: (key, path) => client.putObject(bucket, key, createReadStream(path), statSync(path).size),
  }
}

function bun({ url }) {
  const client = new Bun.S3Client({ ...keys, endpoint: url, bucket, region: 'auto' })
  return {
    put: (key, body) => client.write(key, body),
    putFile: (key, path) => client.write(key, Bun.file(path)),
  }
}

/** By name: how it is opened. */
export const clients = {
  'reliable-r2': ours(),
  'reliable-r2, MD5s compared': ours(),
  'reliable-r2, `verifyIntegrity: false`': ours({ verifyIntegrity: false }),
  'baseline behind the N-API boundary': baselineAddon,
  '@aws-sdk/client-s3': awsSdk,
  aws4fetch,
  s3mini,
  minio,
  "Bun's S3Client": bun,
}
