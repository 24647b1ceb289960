import sharp from 'sharp'

const PAPER = { r: 252, g: 250, b: 245 }
const LONGEST_SIDE = 1024
const INKS: Record<string, string> = {
  blue: '#1d3f8a',
  brown: '#5a3a22',
  green: '#1f5c3a',
  red: '#9b2226',
  violet: '#4c2a85',
}

/**
 * A pencil drawing: where the picture is darker than its surroundings, there is a line. (The picture divided
 * by its blur, "colour dodge", is how this is done by hand in a photo editor.)
 */
export async function lineDrawing(picture: Buffer, prompt: string): Promise<Buffer> {
  const grey = sharp(picture).rotate().resize(LONGEST_SIDE, LONGEST_SIDE, { fit: 'inside' }).greyscale()
  const { data: tones, info } = await grey.clone().blur(0.6).raw().toBuffer({ resolveWithObject: true })
  const surroundings = await grey.clone().blur(9).raw().toBuffer()

  // The ink's opacity at each pixel.
  const ink = Buffer.alloc(tones.length)
  for (let at = 0; at < tones.length; at += 1) {
    const light = Math.min(1, (tones[at]! + 6) / (surroundings[at]! + 1))
    ink[at] = Math.round(255 * Math.min(1, 2.6 * (1 - light)))
  }

  const { width, height } = info
  const lines = await sharp({ create: { width, height, channels: 3, background: inkFor(prompt) } })
    .joinChannel(ink, { raw: { width, height, channels: 1 } })
    .png()
    .toBuffer()
  return sharp({ create: { width, height, channels: 3, background: PAPER } })
    .composite([{ input: lines }])
    .png()
    .toBuffer()
}

function inkFor(prompt: string): string {
  const named = prompt
    .toLowerCase()
    .match(/\p{L}+/gu)
    ?.find((word) => word in INKS)
  return named ? INKS[named]! : '#22252b'
}
