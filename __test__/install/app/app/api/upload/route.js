import { newStorage } from 'reliable-r2'

const storage = newStorage()

export async function POST(request) {
  const key = new URL(request.url).searchParams.get('key')
  const { etag, size } = await storage.uploadFile({ body: request, key, signal: request.signal })
  return Response.json({ etag, size })
}
