// The local R2 and its fault proxy, as a child that ends with this process.

import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { giveUp, root } from './prepare.mjs'

const KEYS = { access: 'local', secret: 'local-secret' }
const BUCKET = 'pictures'

/** Starts it on free ports, with its objects in `folder`. Gives the environment of an app that uses it. */
export async function startLocalR2(folder) {
  mkdirSync(folder, { recursive: true })
  const program = path.join(root, 'target', 'debug', process.platform === 'win32' ? 'local-r2.exe' : 'local-r2')
  const data = path.join(folder, 'objects')
  const options = ['--data', data, '--access-key', KEYS.access, '--secret-key', KEYS.secret, '--bucket', BUCKET]
  const child = spawn(program, [...options, '--exit-with-stdin'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  })
  child.on('error', (error) => giveUp(`The local R2 could not be started: ${error.message}`))
  child.on('exit', (code) => code && giveUp(`The local R2 ended with code ${code}.`))
  const ready = JSON.parse(
    await new Promise((resolve) => createInterface({ input: child.stdout }).once('line', resolve)),
  )

  const authority = path.join(folder, 'ca.pem')
  writeFileSync(authority, ready.caCertificate)
  return {
    control: ready.control,
    data: path.join(data, BUCKET),
    env: {
      STORAGE_ENDPOINT: ready.tlsProxy,
      STORAGE_ACCESS_KEY: KEYS.access,
      STORAGE_SECRET_KEY: KEYS.secret,
      STORAGE_BUCKET: BUCKET,
      STORAGE_DOMAIN: `${ready.public}/${BUCKET}`,
      NODE_EXTRA_CA_CERTS: authority,
      LAB_CONTROL_URL: ready.control,
    },
    /** Its standard input ends, and so does it. */
    stop: () =>
      new Promise((resolve) => {
        child.removeAllListeners('exit')
        child.once('exit', resolve)
        child.stdin.end()
      }),
  }
}
