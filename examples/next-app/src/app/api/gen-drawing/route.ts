import { EVENT_STREAM, eventStream } from '@/lib/gen-drawing/event-stream'
import { generate } from '@/lib/gen-drawing/generate'
import type { RequestError } from '@/lib/gen-drawing/messages'
import { BadRequest, type DrawingJob, readJob } from '@/lib/gen-drawing/request'

export const maxDuration = 300

/**
 * `POST` form data: `pictures` (1 to 8 files), `prompt`, and `respondWith` (`bytes` or `temporaryUrl`: how the
 * provider is to respond). Gives a GenerationResult; with `Accept: application/x-ndjson`, events and then it.
 */
export async function POST(request: Request): Promise<Response> {
  let job: DrawingJob
  try {
    job = await readJob(request)
  } catch (error) {
    if (error instanceof BadRequest)
      return Response.json({ error: error.message } satisfies RequestError, { status: 400 })
    throw error
  }
  const { signal } = request
  if (request.headers.get('accept')?.includes(EVENT_STREAM))
    return eventStream(signal, (report) => generate(job, { signal, report }))

  try {
    const result = await generate(job, { signal, report: () => {} })
    const nothingDrawn = result.results.every(({ drawing }) => 'drawingError' in drawing)
    return Response.json(result, { status: nothingDrawn ? 502 : 200 })
  } catch (error) {
    // The sender has gone; nobody reads this response.
    if (signal.aborted) return new Response(null, { status: 499 })
    throw error
  }
}
