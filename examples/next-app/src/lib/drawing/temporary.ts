import { randomUUID, timingSafeEqual } from 'node:crypto'

const LIFETIME_MS = 10 * 60_000
const MOST_KEPT = 100

interface Kept {
  bytes: Buffer
  token: string
  until: number
}

// Routes are bundled apart, so what they share is on globalThis.
const shelf = globalThis as typeof globalThis & { temporaryDrawings?: Map<string, Kept> }
const drawings = (shelf.temporaryDrawings ??= new Map())

/** Gives a path that works for ten minutes. */
export function keepForAWhile(bytes: Buffer): string {
  const now = Date.now()
  for (const [id, { until }] of drawings) {
    if (until < now || drawings.size >= MOST_KEPT) drawings.delete(id)
  }
  const [id, token] = [randomUUID(), randomUUID()]
  drawings.set(id, { bytes, token, until: now + LIFETIME_MS })
  return `/api/temporary/${id}?token=${token}`
}

export function fetchKept(id: string, token: string): Buffer | undefined {
  const kept = drawings.get(id)
  if (!kept || kept.until < Date.now()) return undefined
  const [given, wanted] = [Buffer.from(token), Buffer.from(kept.token)]
  return given.length === wanted.length && timingSafeEqual(given, wanted) ? kept.bytes : undefined
}
