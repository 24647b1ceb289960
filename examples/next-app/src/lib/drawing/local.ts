import type { Drawing, DrawingProvider, DrawingRequest } from './provider'
import { lineDrawing } from './line-drawing'
import { keepForAWhile } from './temporary'

/** Draws on this machine. Links are its own: `/api/temporary/...`, signed by a token and short-lived. */
export function localProvider(respondWith: Drawing['kind'], origin: string): DrawingProvider {
  return {
    name: 'local',
    privateHosts: [new URL(origin).hostname],
    async draw({ picture, prompt, signal }: DrawingRequest): Promise<Drawing> {
      const bytes = await lineDrawing(picture.bytes, prompt)
      signal.throwIfAborted()
      if (respondWith === 'bytes') return { kind: 'bytes', bytes, mimeType: 'image/png' }
      return { kind: 'temporaryUrl', url: new URL(keepForAWhile(bytes), origin).href, mimeType: 'image/png' }
    },
  }
}
