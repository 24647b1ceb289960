import type { Drawing, DrawingProvider } from './provider'
import { httpProvider } from './http'
import { localProvider } from './local'

export type { Drawing, DrawingProvider, Picture } from './provider'

/** The service named by `DRAWING_API_URL` (and `DRAWING_API_KEY`), else the one on this machine. */
export function drawingProvider(respondWith: Drawing['kind']): DrawingProvider {
  const { DRAWING_API_URL, DRAWING_API_KEY, PORT = '3000' } = process.env
  if (DRAWING_API_URL) return httpProvider(DRAWING_API_URL, DRAWING_API_KEY)
  // Not from the request: its Host header is whatever the sender wrote.
  return localProvider(respondWith, `http://localhost:${PORT}`)
}
