import { newStorage } from 'reliable-r2'

/** What is tested: the app's own code, whose storage comes from the environment, or from a test. */
export async function savePicture(id, body, storage = newStorage()) {
  const { url } = await storage.uploadFile({ key: `pictures/${id}.png`, body, contentType: 'image/png' })
  return url
}
