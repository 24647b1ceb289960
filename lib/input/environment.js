'use strict'

const { readFileSync } = require('node:fs')
const { own } = require('../own-properties.js')

/** The variables that fill in for absent options, as the addon takes them. Read when they are needed. */
function readEnvironment() {
  const env = own(process.env)
  const environment = {
    storageEndpoint: env.STORAGE_ENDPOINT,
    storageRegion: env.STORAGE_REGION,
    storageAccessKey: env.STORAGE_ACCESS_KEY,
    storageSecretKey: env.STORAGE_SECRET_KEY,
    storageBucket: env.STORAGE_BUCKET,
    storageDomain: env.STORAGE_DOMAIN,
    extraCaCertificates: readExtraCertificates(env.NODE_EXTRA_CA_CERTS),
    // Where one of ours is missing, the error names the variable of another tool that may hold its value.
    names: Object.keys(env).filter((name) => env[name]?.trim()),
  }
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined))
}

function readExtraCertificates(file) {
  if (!file) return undefined
  try {
    return readFileSync(file, 'utf8')
  } catch {
    // Node itself has warned of it at its start and continues without; so do we.
    return undefined
  }
}

module.exports = { readEnvironment }
