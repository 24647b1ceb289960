export interface Picture {
  /** As the user's file was called. */
  name: string
  bytes: Buffer
  /** Found in the bytes, not believed from the form. */
  mimeType: string
}

/** Providers respond with the picture itself, or with a link that ends soon. */
export type Drawing =
  | { kind: 'bytes'; bytes: Buffer; mimeType: string }
  | { kind: 'temporaryUrl'; url: string; mimeType: string }

export interface DrawingRequest {
  picture: Picture
  prompt: string
  signal: AbortSignal
}

/** What turns a picture into a drawing. */
export interface DrawingProvider {
  readonly name: string
  /** Hosts whose links may be fetched although they are on a private network; none for a provider out there. */
  readonly privateHosts: readonly string[]
  draw(request: DrawingRequest): Promise<Drawing>
}
