'use strict'

// What runtimes that cannot load an addon get instead of the package.

const error = new Error(
  'reliable-r2 needs the Node.js runtime: it is a native addon and runs neither in the Edge runtime nor in a browser. ' +
    "In a Next.js route, replace `export const runtime = 'edge'` by `export const runtime = 'nodejs'`; " +
    'from a page or a client component, call such a route instead of importing this package.',
)
error.code = 'ERR_UNSUPPORTED'
// Bundlers must not know the names of its exports: else they report a missing one, and not the sentence above.
module.exports = error
throw error
