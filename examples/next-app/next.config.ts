import type { NextConfig } from 'next'

export default {
  serverExternalPackages: ['reliable-r2'],
  // Only because this app lies inside another package's folder.
  turbopack: { root: import.meta.dirname },
} satisfies NextConfig
