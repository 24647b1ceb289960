'use client'

import { useCallback, useReducer, useRef } from 'react'
import type { GenerationEvent, StoredPicture, Upload } from '@/lib/gen-drawing/messages'
import { IDLE, type Outcome, reduce } from './generation'

/** What was asked for last, to try parts of it again. */
interface Request {
  pictures: File[]
  prompt: string
  respondWith: string
}

/** Sends pictures to `/api/gen-drawing` and follows what becomes of them. */
export function useGeneration() {
  const [generation, dispatch] = useReducer(reduce, IDLE)
  const abort = useRef<AbortController>(null)
  const request = useRef<Request>(null)

  /** Runs what ends with an action of its own, also when it fails or is stopped. */
  const run = useCallback(async (work: (signal: AbortSignal) => Promise<void>) => {
    abort.current = new AbortController()
    const { signal } = abort.current
    try {
      await work(signal)
      dispatch({ type: 'end' })
    } catch (error) {
      dispatch({ type: 'end', error: signal.aborted ? 'Stopped.' : (error as Error).message })
    }
  }, [])

  /** Draws these pictures; `places` says which cards they have. */
  const generate = useCallback(
    async ({ pictures, prompt, respondWith }: Request, places: number[], signal: AbortSignal) => {
      const form = new FormData()
      form.set('prompt', prompt)
      form.set('respondWith', respondWith)
      for (const place of places) form.append('pictures', pictures[place]!)
      const headers = { accept: 'application/x-ndjson' }
      const response = await fetch('/api/gen-drawing', { method: 'POST', body: form, headers, signal })
      if (!response.ok) throw new Error(await errorOf(response))
      let isWhole = false
      for await (const line of linesOf(response)) {
        const event: GenerationEvent = JSON.parse(line)
        isWhole ||= event.type === 'result' || event.type === 'error'
        dispatch({ type: 'event', event: 'picture' in event ? { ...event, picture: places[event.picture]! } : event })
      }
      if (!isWhole) throw new Error('The connection ended early. Please try again.')
    },
    [],
  )

  const start = useCallback(
    (form: FormData, pictures: File[]) => {
      request.current = { pictures, prompt: String(form.get('prompt')), respondWith: String(form.get('respondWith')) }
      dispatch({ type: 'begin', names: pictures.map(({ name }) => name) })
      return run((signal) =>
        generate(
          request.current!,
          pictures.map((_, index) => index),
          signal,
        ),
      )
    },
    [run, generate],
  )

  /** Stores what is there and was not stored, and draws what was not drawn. */
  const retry = useCallback(
    (picture: number, { input, drawing }: Outcome) => {
      const uploads: { what: Upload['what']; file: Blob }[] = []
      const kept = drawing && 'imageBase64' in drawing ? drawing : undefined
      if (kept) {
        if (input?.uploadError !== false) uploads.push({ what: 'input', file: request.current!.pictures[picture]! })
        uploads.push({ what: 'drawing', file: blobOf(kept) })
      } else if (drawing && 'url' in drawing) {
        uploads.push({ what: 'input', file: request.current!.pictures[picture]! })
      }
      // Until it is stored, a drawing that was made stays to be seen and downloaded.
      dispatch({ type: 'again', forget: [{ picture, outcome: uploads.length > 0 ? { input, drawing } : {} }] })
      return run(async (signal) => {
        if (uploads.length === 0) return generate(request.current!, [picture], signal)
        await Promise.all(
          uploads.map(({ what, file }) =>
            storeAgain({ picture, what }, file, signal, (event) => dispatch({ type: 'event', event })),
          ),
        )
      })
    },
    [run, generate],
  )

  const stop = useCallback(() => abort.current?.abort(), [])
  return { generation, start, retry, stop }
}

async function storeAgain(upload: Upload, file: Blob, signal: AbortSignal, report: (event: GenerationEvent) => void) {
  report({ type: 'upload', state: 'waiting', ...upload })
  const form = new FormData()
  form.set('what', upload.what)
  form.set('picture', file, 'picture')
  const response = await fetch('/api/pictures', { method: 'POST', body: form, signal })
  if (!response.ok) {
    const { code = `HTTP_${response.status}`, userMessage = `Response ${response.status}` } = await response
      .json()
      .catch(() => ({}))
    return report({ type: 'upload', state: 'failed', code, message: userMessage, ...upload })
  }
  const stored: StoredPicture = await response.json()
  report({ type: 'upload', state: 'stored', percent: 100, attempt: stored.attempts, ...upload })
  report(
    upload.what === 'input'
      ? { type: 'outcome', picture: upload.picture, input: stored }
      : { type: 'outcome', picture: upload.picture, drawing: stored },
  )
}

function blobOf({ imageBase64, mimeType }: { imageBase64: string; mimeType: string }): Blob {
  return new Blob([Uint8Array.from(atob(imageBase64), (character) => character.charCodeAt(0))], { type: mimeType })
}

async function errorOf(response: Response): Promise<string> {
  const { error } = (await response.json().catch(() => ({}))) as { error?: string }
  return error ?? `The server responded ${response.status}. Please try again.`
}

async function* linesOf(response: Response): AsyncGenerator<string> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    const lines = (rest + (value ?? '')).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
    if (done) return
  }
}
