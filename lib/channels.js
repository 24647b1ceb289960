'use strict'

// For tools that watch a whole process: node:diagnostics_channel costs nothing while nobody listens.

const { channel } = require('node:diagnostics_channel')

/** What a storage tells of; see the `StorageEvents` of index.d.ts. */
const eventNames = Object.freeze(['attempt', 'retry', 'success', 'failure', 'breaker', 'failover'])

const channels = Object.fromEntries(eventNames.map((name) => [name, channel(`reliable-r2:${name}`)]))

module.exports = { channels, eventNames }
