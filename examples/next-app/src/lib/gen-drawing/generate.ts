import { randomUUID } from 'node:crypto'
import type { UploadItem } from 'reliable-r2'
import { drawingProvider } from '@/lib/drawing'
import type { GenerationEvent, GenerationResult, PictureResult } from './messages'
import { forUser, noDrawing, storedDrawing, storedInput } from './outcome'
import type { DrawingJob } from './request'
import { store } from './store'

export interface Context {
  /** Ends everything: the sender has gone. */
  signal: AbortSignal
  tell: (event: GenerationEvent) => void
}

/** Draws every picture and stores inputs and drawings. A failure costs one picture, and no drawing is lost. */
export async function generate(job: DrawingJob, context: Context): Promise<GenerationResult> {
  const folder = randomUUID()
  const provider = drawingProvider(job.answerWith)

  const draw = async (picture: number) => {
    context.tell({ type: 'drawing', picture, state: 'started' })
    try {
      const drawing = await provider.draw({ picture: job.pictures[picture]!, prompt: job.prompt, signal: context.signal })
      context.tell({ type: 'drawing', picture, state: 'finished' })
      return { picture, drawing }
    } catch (error) {
      context.signal.throwIfAborted()
      console.error(`[Drawing] ${provider.name} failed:`, error)
      context.tell({ type: 'drawing', picture, state: 'failed' })
      return undefined
    }
  }

  const [inputs, drawn] = await Promise.all([
    store(
      job.pictures.map(({ name, bytes, mimeType }, picture) => ({
        upload: { picture, what: 'input' },
        item: { key: `inputs/${folder}/${picture}-${safeName(name)}`, body: bytes, contentType: mimeType },
      })),
      context,
    ),
    Promise.all(job.pictures.map((_, picture) => draw(picture))),
  ])

  const made = drawn.filter((drawing) => drawing !== undefined)
  const stored = await store(
    made.map(({ picture, drawing }) => {
      const object = { key: `outputs/${folder}/${picture}.png`, cacheControl: 'immutable' }
      const item: UploadItem =
        drawing.kind === 'bytes'
          ? { ...object, body: drawing.bytes, contentType: drawing.mimeType }
          : { ...object, url: drawing.url, allowedHosts: provider.privateHosts }
      return { upload: { picture, what: 'drawing' }, item }
    }),
    context,
  )

  const drawings = job.pictures.map(() => noDrawing())
  await Promise.all(
    made.map(async ({ picture, drawing }, index) => {
      drawings[picture] = await storedDrawing(stored[index]!, drawing, context.signal)
    }),
  )
  const results = job.pictures.map(
    ({ name }, index): PictureResult => ({ name, input: storedInput(inputs[index]!), drawing: drawings[index]! }),
  )
  return forUser(results)
}

function safeName(name: string): string {
  return name.replace(/[^\w.-]+/g, '-').slice(-80)
}
