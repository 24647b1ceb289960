import path from 'node:path'
import type { NextConfig } from 'next'

// In your app only `serverExternalPackages` is needed. Here reliable-r2 is the folder two levels up.
const repository = path.join(import.meta.dirname, '..', '..')

export default {
  serverExternalPackages: ['reliable-r2'],
  turbopack: { root: repository },
  outputFileTracingRoot: repository,
  devIndicators: false,
} satisfies NextConfig
