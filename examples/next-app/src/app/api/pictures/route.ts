import { randomUUID } from 'node:crypto'
import { errorResponse } from 'reliable-r2'
import { storedPicture } from '@/lib/gen-drawing/outcome'
import { BadRequest, readForm, readPicture } from '@/lib/gen-drawing/request'
import { storage } from '@/lib/storage'

/** `POST` form data: `picture` (a file) and `what` (`input` or `drawing`). Stores it: another try of an upload that failed. */
export async function POST(request: Request): Promise<Response> {
  try {
    const form = await readForm(request)
    const { bytes, mimeType } = await readPicture(form.get('picture'))
    const folder = form.get('what') === 'drawing' ? 'outputs' : 'inputs'
    const key = `${folder}/${randomUUID()}/0.${mimeType.replace('image/', '')}`
    const result = await storage.uploadFile({ key, body: bytes, contentType: mimeType, signal: request.signal })
    return Response.json(storedPicture(result))
  } catch (error) {
    if (error instanceof BadRequest)
      return Response.json({ code: 'BAD_REQUEST', userMessage: error.message }, { status: 400 })
    return errorResponse(error)
  }
}
