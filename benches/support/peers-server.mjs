// The stores of one client of benches/peers.mjs: one for each fault and size, so that what one run leaves behind is none of
// another's. Commands come from the parent, by IPC.

import { subscribe } from 'node:diagnostics_channel'
import { createRequire } from 'node:module'
import { CHANCE, OUTAGE_MS, SEED, bodyOf, keyOf, loads } from './peers-plan.mjs'

const require = createRequire(import.meta.url)
const { startLocalR2 } = require('../../lib/testing/index.js')

/** Connections with a request that got no response, by the port they came to. */
const busy = new Map()
const known = new WeakSet()
subscribe('http.server.request.start', ({ request: { socket } }) => {
  const port = socket.localPort
  if (!busy.has(port)) busy.set(port, new Set())
  busy.get(port).add(socket)
  if (known.has(socket)) return
  known.add(socket)
  socket.once('close', () => busy.get(port).delete(socket))
})
subscribe('http.server.response.finish', ({ request: { socket } }) => busy.get(socket.localPort)?.delete(socket))

const stores = new Map()

const commands = {
  /** Serves, or says at what port it will. */
  async open({ id, keys, rule, outage }) {
    const r2 = await startLocalR2(keys)
    if (rule) r2.faults([{ ...rule, chance: CHANCE, seed: SEED }])
    const port = Number(new URL(r2.url).port)
    stores.set(id, { r2, keys, port })
    if (outage) await r2.stop()
    return r2.url
  },

  /** Called when the uploads begin. */
  begin({ id, outage }) {
    const store = stores.get(id)
    if (outage) setTimeout(async () => (store.r2 = await startLocalR2({ ...store.keys, port: store.port })), OUTAGE_MS)
  },

  async report({ id, load }) {
    const { r2, port } = stores.get(id)
    const objects = r2.objects()
    const stored = Array.from({ length: loads[load].count }, (_, index) => {
      const object = objects.get(keyOf(load, index))
      if (!object) return 'absent'
      return object.body.equals(bodyOf(load, index)) ? 'sound' : 'other'
    })
    const facts = {
      stored,
      requests: r2.events().length,
      busy: busy.get(port)?.size ?? 0,
      openUploads: r2.uploads().length,
    }
    await r2.stop()
    stores.delete(id)
    return facts
  },
}

process.on('message', async ({ seq, command, ...args }) => {
  try {
    process.send({ seq, value: await commands[command](args) })
  } catch (error) {
    process.send({ seq, error: String(error?.stack ?? error) })
  }
})
process.on('disconnect', () => process.exit())
