import { randomUUID } from 'node:crypto'
import type { UploadItem } from 'reliable-r2'
import { type Drawing, drawingProvider } from '@/lib/drawing'
import type { DrawingOutcome, GenerationEvent, GenerationResult, PictureResult } from './messages'
import { forUser, noDrawing, storedDrawing, storedInput } from './outcome'
import type { DrawingJob } from './request'
import { store } from './store'

export interface Context {
  /** Ends everything: the sender has gone. */
  signal: AbortSignal
  report: (event: GenerationEvent) => void
}

/** Draws every picture and stores inputs and drawings. A failure costs one picture, and no drawing is lost. */
export async function generate(job: DrawingJob, context: Context): Promise<GenerationResult> {
  const folder = randomUUID()
  const provider = drawingProvider(job.respondWith)

  const draw = async (picture: number): Promise<Drawing | undefined> => {
    context.report({ type: 'drawing', picture, state: 'started' })
    try {
      const drawing = await provider.draw({
        picture: job.pictures[picture]!,
        prompt: job.prompt,
        signal: context.signal,
      })
      context.report({ type: 'drawing', picture, state: 'finished' })
      return drawing
    } catch (error) {
      context.signal.throwIfAborted()
      console.error(`[Drawing] ${provider.name} failed:`, error)
      context.report({ type: 'drawing', picture, state: 'failed' })
      return undefined
    }
  }

  const storeDrawing = async (picture: number, drawing: Drawing): Promise<DrawingOutcome> => {
    const object = { key: `outputs/${folder}/${picture}.png`, cacheControl: 'immutable' }
    const item: UploadItem =
      drawing.kind === 'bytes'
        ? { ...object, body: drawing.bytes, contentType: drawing.mimeType }
        : { ...object, url: drawing.url, allowedHosts: provider.privateHosts }
    const [outcome] = await store([{ upload: { picture, what: 'drawing' }, item }], context)
    return storedDrawing(outcome!, drawing, context.signal)
  }

  const storeInputs = async () => {
    const outcomes = await store(
      job.pictures.map(({ name, bytes, mimeType }, picture) => ({
        upload: { picture, what: 'input' },
        item: { key: `inputs/${folder}/${picture}-${safeName(name)}`, body: bytes, contentType: mimeType },
      })),
      context,
    )
    return outcomes.map((outcome, picture) => {
      const input = storedInput(outcome)
      context.report({ type: 'outcome', picture, input })
      return input
    })
  }

  // Each drawing goes its own way: none waits for a slower one.
  const drawAndStore = async (picture: number) => {
    const drawing = await draw(picture)
    const outcome = drawing ? await storeDrawing(picture, drawing) : noDrawing()
    context.report({ type: 'outcome', picture, drawing: outcome })
    return outcome
  }

  const [inputs, drawings] = await Promise.all([
    storeInputs(),
    Promise.all(job.pictures.map((_, picture) => drawAndStore(picture))),
  ])
  const results = job.pictures.map(
    ({ name }, index): PictureResult => ({ name, input: inputs[index]!, drawing: drawings[index]! }),
  )
  return forUser(results)
}

function safeName(name: string): string {
  return name.replace(/[^\w.-]+/g, '-').slice(-80)
}
