import { StorageError, type UploadItem, type UploadOutcome } from 'reliable-r2'
import { storage } from '@/lib/storage'
import type { Context } from './generate'
import type { Upload } from './messages'

/** Stores several objects and shows what happens to each. Resolves to one outcome for each, in order. */
export async function store(
  uploads: { upload: Upload; item: UploadItem }[],
  { signal, report }: Context,
): Promise<UploadOutcome[]> {
  const outcomes = await storage.uploadFiles(
    uploads.map(({ upload, item }): UploadItem => {
      report({ type: 'upload', state: 'waiting', ...upload })
      return {
        ...item,
        signal,
        onProgress: (percent, { attempt }) =>
          report({ type: 'upload', state: percent === 100 ? 'stored' : 'progress', percent, attempt, ...upload }),
        onRetry: ({ attempt, code, delayMs }) =>
          report({ type: 'upload', state: 'retry', attempt, code, delayMs, ...upload }),
      } as UploadItem
    }),
  )
  signal.throwIfAborted()
  outcomes.forEach((outcome, index) => {
    if (!outcome.uploadError) return
    const { code, error, errorMessage } = outcome
    const attempt = error instanceof StorageError ? error.attempts : 0
    report({ type: 'upload', state: 'failed', code, attempt, message: errorMessage, ...uploads[index]!.upload })
  })
  return outcomes
}
