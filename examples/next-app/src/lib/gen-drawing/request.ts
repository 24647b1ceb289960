import sharp from 'sharp'
import type { Drawing, Picture } from '@/lib/drawing'

export const MOST_PICTURES = 8
export const LARGEST_PICTURE_BYTES = 20 * 1024 * 1024
const LONGEST_PROMPT = 1000
const FORMATS = new Set(['avif', 'gif', 'heif', 'jpeg', 'png', 'webp'])

export interface DrawingJob {
  pictures: Picture[]
  prompt: string
  respondWith: Drawing['kind']
}

/** What the sender can fix. Its message is for them. */
export class BadRequest extends Error {}

/** @throws {BadRequest} */
export async function readJob(request: Request): Promise<DrawingJob> {
  const form = await readForm(request)
  const prompt = form.get('prompt')
  if (typeof prompt !== 'string' || prompt.trim() === '') throw new BadRequest('Say in `prompt` what to draw.')
  if (prompt.length > LONGEST_PROMPT) throw new BadRequest(`The prompt is longer than ${LONGEST_PROMPT} characters.`)
  const respondWith = form.get('respondWith') ?? 'bytes'
  if (respondWith !== 'bytes' && respondWith !== 'temporaryUrl') {
    throw new BadRequest('`respondWith` must be `bytes` or `temporaryUrl`.')
  }
  const files = form.getAll('pictures')
  if (files.length === 0) throw new BadRequest('Add at least one picture as `pictures`.')
  if (files.length > MOST_PICTURES) throw new BadRequest(`Send at most ${MOST_PICTURES} pictures at a time.`)
  return { prompt, respondWith, pictures: await Promise.all(files.map(readPicture)) }
}

export async function readForm(request: Request): Promise<FormData> {
  try {
    return await request.formData()
  } catch {
    throw new BadRequest('Send form data (multipart/form-data) with `pictures` and `prompt`.')
  }
}

export async function readPicture(file: FormDataEntryValue | null): Promise<Picture> {
  if (file === null || typeof file === 'string') throw new BadRequest('`pictures` must be files.')
  if (file.size === 0) throw new BadRequest(`${file.name} is empty.`)
  if (file.size > LARGEST_PICTURE_BYTES) {
    throw new BadRequest(`${file.name} is larger than ${LARGEST_PICTURE_BYTES / 1024 / 1024} MiB.`)
  }
  const bytes = Buffer.from(await file.arrayBuffer())
  const format = await formatOf(bytes)
  if (!format || !FORMATS.has(format)) throw new BadRequest(`${file.name} is not a picture that can be read.`)
  return { name: file.name, bytes, mimeType: `image/${format}` }
}

async function formatOf(bytes: Buffer): Promise<string | undefined> {
  try {
    return (await sharp(bytes).metadata()).format
  } catch {
    return undefined
  }
}
