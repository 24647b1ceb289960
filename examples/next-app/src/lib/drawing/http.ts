import { retryWithBackoff } from 'reliable-r2'
import type { Drawing, DrawingProvider, DrawingRequest } from './provider'

/**
 * A drawing service behind HTTP. It gets `POST { prompt, image }` with the picture as a data URL and responds
 * `{ image }` (base64 or a data URL) or `{ url }` (a temporary link).
 */
export function httpProvider(url: string, key: string | undefined): DrawingProvider {
  return {
    name: new URL(url).hostname,
    privateHosts: [],
    async draw({ picture, prompt, signal }: DrawingRequest): Promise<Drawing> {
      const image = `data:${picture.mimeType};base64,${picture.bytes.toString('base64')}`
      const response = await retryWithBackoff(
        async (attempt) => {
          const reply = await fetch(url, {
            method: 'POST',
            headers: { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) },
            body: JSON.stringify({ prompt, image }),
            signal: attempt.signal,
          })
          // An error with a status: whether another try can fix it is for retryWithBackoff to say.
          if (!reply.ok)
            throw Object.assign(new Error(`the drawing service responded ${reply.status}`), { status: reply.status })
          return (await reply.json()) as unknown
        },
        { preset: 'standard', timeout: 120_000, signal },
      )
      return understood(response)
    },
  }
}

function understood(reply: unknown): Drawing {
  const { url, image } = (reply ?? {}) as { url?: unknown; image?: unknown }
  if (typeof url === 'string') return { kind: 'temporaryUrl', url, mimeType: 'image/png' }
  if (typeof image === 'string') {
    const [, mimeType = 'image/png', data = image] = /^data:([^;,]+);base64,(.*)$/s.exec(image) ?? []
    return { kind: 'bytes', bytes: Buffer.from(data, 'base64'), mimeType }
  }
  throw new Error('the drawing service responded with neither a picture nor a link')
}
