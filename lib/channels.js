'use strict'

// For tools that watch a whole process: node:diagnostics_channel costs nothing while nobody listens.

const { channel } = require('node:diagnostics_channel')

const retried = channel('reliable-r2:retry')
const succeeded = channel('reliable-r2:success')
const failed = channel('reliable-r2:failure')

/** Of any call: `describe` is asked for the message only if there is somebody to get it. */
function publish(to, describe) {
  if (to.hasSubscribers) to.publish(describe())
}

module.exports = { failed, publish, retried, succeeded }
