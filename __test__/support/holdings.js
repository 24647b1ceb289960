'use strict'

// What this process holds on to: descriptors, active resources, threads, memory. Needs Linux, and Node's --expose-gc.

const { readdirSync, readlinkSync } = require('node:fs')
const http = require('node:http')
const { setTimeout: sleep } = require('node:timers/promises')

/** How long a process is watched that has nothing to be compared with. */
const FIRST_LOOK_MS = 2500

function tally(names) {
  const counts = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

/** `socket`, `anon_inode`, `pipe` or `file`. The folder itself is open while it is read. */
function descriptors() {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`)
      return target.startsWith('/proc/') ? [] : [target.startsWith('/') ? 'file' : target.split(':')[0]]
    } catch {
      return []
    }
  })
}

const holdings = () => ({
  descriptors: tally(descriptors()),
  resources: tally(process.getActiveResourcesInfo()),
  threads: readdirSync('/proc/self/task').length,
})

async function memory() {
  // What a finalizer lets go of is free after the next round only.
  for (let round = 0; round < 3; round += 1) {
    global.gc()
    await sleep(1)
  }
  const { rss, heapUsed, external } = process.memoryUsage()
  return { rss, js: heapUsed + external }
}

/** What there is more of. */
const more = (before, after) => [
  ...['descriptors', 'resources'].flatMap((what) =>
    Object.entries(after[what]).flatMap(([type, count]) => {
      const was = before[what][type] ?? 0
      return count > was ? [`${what}: ${count} ${type}, before ${was}`] : []
    }),
  ),
  ...(after.threads > before.threads ? [`threads: ${after.threads}, before ${before.threads}`] : []),
]

/** What is held when nothing moves any more: no more than `before`, or what is there when patience ends. */
async function settled(before = { descriptors: {}, resources: {}, threads: 0 }, patienceMs = FIRST_LOOK_MS) {
  const until = Date.now() + patienceMs
  for (;;) {
    global.gc()
    const now = holdings()
    if (more(before, now).length === 0 || Date.now() > until) return now
    await sleep(50)
  }
}

/** Rejections that nobody handles, as they come. */
function watchRejections() {
  const unhandled = []
  process.on('unhandledRejection', (reason) => unhandled.push(String(reason)))
  return unhandled
}

/** A command to the lab, on a connection of its own: one that is kept would be counted. */
function command(method, place, body) {
  return new Promise((resolve, reject) => {
    const request = http.request(`${process.env.LAB_CONTROL}${place}`, { method, agent: false }, (response) => {
      const chunks = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString()
        if (response.statusCode === 200) resolve(JSON.parse(text))
        else reject(new Error(`${method} ${place}: ${text}`))
      })
    })
    request.once('error', reject).end(body && JSON.stringify(body))
  })
}

const setFaults = (faults) => command('PUT', '/faults', { faults })

module.exports = { command, memory, more, setFaults, settled, tally, watchRejections }
