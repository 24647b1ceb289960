import { EVENT_STREAM, eventStream } from '@/lib/gen-drawing/event-stream'
import { generate } from '@/lib/gen-drawing/generate'
import type { RequestError } from '@/lib/gen-drawing/messages'
import { BadRequest, type DrawingJob, readJob } from '@/lib/gen-drawing/request'

export const maxDuration = 300

/**
 * `POST` form data: `pictures` (1 to 8 files), `prompt`, and `answerWith` (`bytes` or `temporaryUrl`: how the
 * provider is to answer). Gives a GenerationResult; with `Accept: application/x-ndjson`, events and then it.
 */
export async function POST(request: Request): Promise<Response> {
  let job: DrawingJob
  try {
    job = await readJob(request)
  } catch (error) {
    if (error instanceof BadRequest) return Response.json({ error: error.message } satisfies RequestError, { status: 400 })
    throw error
  }
  const { signal } = request
  if (request.headers.get('accept')?.includes(EVENT_STREAM)) return eventStream(signal, (tell) => generate(job, { signal, tell }))

  try {
    const result = await generate(job, { signal, tell: () => {} })
    const nothingDrawn = result.results.every(({ drawing }) => 'drawingError' in drawing)
    return Response.json(result, { status: nothingDrawn ? 502 : 200 })
  } catch (error) {
    // The sender has gone; nobody reads this answer.
    if (signal.aborted) return new Response(null, { status: 499 })
    throw error
  }
}
