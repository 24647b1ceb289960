import { errorResponse, newStorage } from 'reliable-r2'

const storage = newStorage()

export async function POST(request) {
  const key = new URL(request.url).searchParams.get('key')
  try {
    const { etag, size } = await storage.uploadFile({ body: request, key, signal: request.signal, maxBytes: 50_000_000 })
    return Response.json({ etag, size })
  } catch (error) {
    return errorResponse(error)
  }
}
