'use strict'

const { inputError } = require('../local-errors.js')
const { readObject } = require('../input/validate.js')
const responses = require('./responses.js')
const { OPTIONS, gateOf } = require('./route.js')

const call = { operation: 'metricsRoute' }

/** The handler of the route that Prometheus scrapes. Who may read it is decided as for the dashboard. */
function metricsRoute(storage, options) {
  if (typeof storage?.metricsText !== 'function') {
    throw inputError(
      'ERR_INVALID_OPTION',
      'storage',
      'the first argument must be a storage, as newStorage() makes it',
      call,
    )
  }
  const gate = gateOf(readObject(OPTIONS, options ?? {}, 'options', call), call)

  const GET = async (request) => {
    // Read before anything else, also where nobody has access: Next.js renders a handler that does not look at its request
    // at build time, and would serve the empty metrics of the build for ever.
    request.headers.get('authorization')
    const refusal = await gate.refusalOf(request, true)
    return refusal ?? responses.metrics(storage.metricsText())
  }
  return { GET }
}

module.exports = { metricsRoute }
