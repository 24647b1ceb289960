// As ../../browser.mjs.
import 'server-only'

export * from './unsupported.mjs'
