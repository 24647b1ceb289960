import type { GenerationEvent, GenerationResult } from './messages'

export const EVENT_STREAM = 'application/x-ndjson'

/** Responds at once and line by line: each event as it happens, the result last. */
export function eventStream(
  signal: AbortSignal,
  run: (report: (event: GenerationEvent) => void) => Promise<GenerationResult>,
): Response {
  const encoder = new TextEncoder()
  const stream = new ReadableStream<Uint8Array>({
    async start(controller) {
      const report = (event: GenerationEvent) => {
        try {
          controller.enqueue(encoder.encode(`${JSON.stringify(event)}\n`))
        } catch {
          // The reader has gone; the request's signal ends the work.
        }
      }
      try {
        report({ type: 'result', result: await run(report) })
      } catch (error) {
        if (!signal.aborted) console.error('[Drawing] failed:', error)
        report({ type: 'error', error: 'Something went wrong here. Please try again.' })
      }
      try {
        controller.close()
      } catch {
        // As above.
      }
    },
  })
  return new Response(stream, { headers: { 'content-type': EVENT_STREAM, 'cache-control': 'no-store' } })
}
