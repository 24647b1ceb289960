// What the route and the page send each other.

/** A picture that is on R2. */
export interface StoredPicture {
  uploadError: false
  url: string
  key: string
  size: number
  attempts: number
  elapsedMs: number
}

/** An input that is not on R2. Its owner still has it. */
export interface UnstoredInput {
  uploadError: true
  errorMessage: string
}

/** A drawing that could be made but not stored: it comes back in the response. */
export interface UnstoredDrawing {
  uploadError: true
  errorMessage: string
  /** Why, in words for the user. */
  reason: string
  imageBase64: string
  mimeType: string
}

/** There is no drawing. */
export interface FailedDrawing {
  drawingError: true
  errorMessage: string
}

export type DrawingOutcome = StoredPicture | UnstoredDrawing | FailedDrawing

export type InputOutcome = StoredPicture | UnstoredInput

export interface PictureResult {
  name: string
  input: InputOutcome
  drawing: DrawingOutcome
}

export interface GenerationResult {
  results: PictureResult[]
  /** Whether anything at all went wrong. */
  partial: boolean
}

export interface RequestError {
  error: string
}

/** Whose upload it is. */
export interface Upload {
  picture: number
  what: 'input' | 'drawing'
}

/** What happens on the way, in the order in which it happens. */
export type GenerationEvent =
  | { type: 'drawing'; picture: number; state: 'started' | 'finished' | 'failed' }
  | (Upload & { type: 'upload'; attempt?: number } & (
        | { state: 'waiting' }
        | { state: 'progress' | 'stored'; percent: number }
        | { state: 'retry'; code: string; delayMs: number }
        | { state: 'failed'; code: string; message: string }
      ))
  /** Where a picture is, as soon as that is known. */
  | { type: 'outcome'; picture: number; input: InputOutcome }
  | { type: 'outcome'; picture: number; drawing: DrawingOutcome }
  | { type: 'result'; result: GenerationResult }
  | { type: 'error'; error: string }
