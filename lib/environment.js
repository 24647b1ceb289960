'use strict'

const { readFileSync } = require('node:fs')

/** The variables that fill in for absent options, as the native part takes them. Read when they are needed. */
function readEnvironment() {
  const { env } = process
  const environment = {
    storageEndpoint: env.STORAGE_ENDPOINT,
    storageRegion: env.STORAGE_REGION,
    storageAccessKey: env.STORAGE_ACCESS_KEY,
    storageSecretKey: env.STORAGE_SECRET_KEY,
    storageBucket: env.STORAGE_BUCKET,
    storageDomain: env.STORAGE_DOMAIN,
    extraCaCertificates: readExtraCertificates(env.NODE_EXTRA_CA_CERTS),
  }
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined))
}

function readExtraCertificates(file) {
  if (!file) return undefined
  try {
    return readFileSync(file, 'utf8')
  } catch {
    // Node itself has warned of it at its start and goes on without; so do we.
    return undefined
  }
}

module.exports = { readEnvironment }
