import { StorageError, retryWithBackoff, type UploadOutcome, type UploadResult } from 'reliable-r2'
import type { Drawing } from '@/lib/drawing'
import type { DrawingOutcome, GenerationResult, InputOutcome, PictureResult, StoredPicture } from './messages'

const COULD_NOT_STORE = 'Image generated but storage failed. Please download and save manually.'
const COULD_NOT_DRAW = 'This picture could not be drawn. Please try again.'

export function noDrawing(): DrawingOutcome {
  return { drawingError: true, errorMessage: COULD_NOT_DRAW }
}

export function storedInput(outcome: UploadOutcome): InputOutcome {
  return outcome.uploadError ? { uploadError: true, errorMessage: outcome.errorMessage } : storedPicture(outcome)
}

/** A drawing that could not be stored goes to the user in the response itself. */
export async function storedDrawing(
  outcome: UploadOutcome,
  drawing: Drawing,
  signal: AbortSignal,
): Promise<DrawingOutcome> {
  if (!outcome.uploadError) return storedPicture(outcome)
  const bytes = await bytesOf(drawing, outcome.error, signal)
  if (!bytes) return { drawingError: true, errorMessage: outcome.errorMessage }
  return {
    uploadError: true,
    errorMessage: COULD_NOT_STORE,
    reason: outcome.errorMessage,
    imageBase64: bytes.toString('base64'),
    mimeType: drawing.mimeType,
  }
}

async function bytesOf(drawing: Drawing, error: unknown, signal: AbortSignal): Promise<Buffer | undefined> {
  if (drawing.kind === 'bytes') return drawing.bytes
  // The link itself was at fault: gone ('source'), or one that must not be fetched ('input').
  if (error instanceof StorageError && (error.category === 'source' || error.category === 'input')) return undefined
  try {
    return await retryWithBackoff(
      async (attempt) => {
        const response = await fetch(drawing.url, { signal: attempt.signal, redirect: 'error' })
        if (!response.ok)
          throw Object.assign(new Error('the drawing could not be fetched'), { status: response.status })
        return Buffer.from(await response.arrayBuffer())
      },
      { preset: 'fast', signal },
    )
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}

export function storedPicture({ url, key, size, attempts, elapsedMs }: UploadResult): StoredPicture {
  return { uploadError: false, url, key, size, attempts, elapsedMs }
}

export function forUser(results: PictureResult[]): GenerationResult {
  const partial = results.some(
    ({ input, drawing }) => input.uploadError || 'drawingError' in drawing || drawing.uploadError,
  )
  return { results, partial }
}
