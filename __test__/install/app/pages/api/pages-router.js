import { newStorage } from 'reliable-r2'

export const config = { api: { bodyParser: false } }

const storage = newStorage()

export default async function handler(request, response) {
  const { etag, size } = await storage.uploadFile({ body: request, key: request.query.key })
  response.status(200).json({ etag, size })
}
