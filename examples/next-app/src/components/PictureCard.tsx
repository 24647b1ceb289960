import { useRef } from 'react'
import { type Outcome, isStored } from '@/lib/client/generation'
import { type Progress, laneOf } from '@/lib/client/lanes'
import type { DrawingOutcome } from '@/lib/gen-drawing/messages'
import { UploadLane } from './UploadLane'

interface Props {
  index: number
  name: string
  progress: Progress
  outcome: Outcome
  /** Whether nothing is under way. */
  isIdle: boolean
  onRetry: (index: number, outcome: Outcome) => void
}

/** A picture on its way: both uploads, the drawing, and where it is in the end. */
export function PictureCard({ index, name, progress, outcome, isIdle, onRetry }: Props) {
  const { input, drawing } = outcome
  const heading = useRef<HTMLHeadingElement>(null)
  return (
    <article className="card">
      <div className="drawing">
        {drawing ? (
          <DrawingView name={name} drawing={drawing} />
        ) : (
          <Placeholder state={progress.drawing[index]} isIdle={isIdle} />
        )}
      </div>
      <div className="facts">
        <h2 ref={heading} tabIndex={-1}>
          {name}
        </h2>
        <UploadLane label="Input" lane={progress.lanes[laneOf({ picture: index, what: 'input' })]} isIdle={isIdle} />
        <UploadLane
          label="Drawing"
          lane={progress.lanes[laneOf({ picture: index, what: 'drawing' })]}
          isIdle={isIdle}
        />
        {drawing && <OutcomeOf name={name} drawing={drawing} />}
        {input?.uploadError && <p className="note">The input was not stored: {input.errorMessage}</p>}
        {isIdle && !isStored(outcome) && (
          <button
            type="button"
            className="quiet again"
            onClick={() => {
              // The button goes; who uses the keyboard stays at this card.
              heading.current?.focus()
              onRetry(index, outcome)
            }}
          >
            Try again<span className="hidden">: {name}</span>
          </button>
        )}
      </div>
    </article>
  )
}

function Placeholder({ state, isIdle }: { state: Progress['drawing'][number] | undefined; isIdle: boolean }) {
  if (state === 'failed') return <div className="placeholder">not drawn</div>
  // What was drawn and is stored is shown instead: this was not.
  if (isIdle) return <div className="placeholder">stopped</div>
  return <div className="placeholder">{state === 'finished' ? 'drawn, on its way to R2' : 'drawing…'}</div>
}

function DrawingView({ name, drawing }: { name: string; drawing: DrawingOutcome }) {
  if ('drawingError' in drawing) return <div className="placeholder">no drawing</div>
  return <img src={addressOf(drawing)} alt={`Drawing of ${name}`} />
}

function OutcomeOf({ name, drawing }: { name: string; drawing: DrawingOutcome }) {
  if ('drawingError' in drawing) return <p className="outcome bad">{drawing.errorMessage}</p>
  if (drawing.uploadError) {
    return (
      <div className="outcome warn">
        <p>{drawing.errorMessage}</p>
        <p className="note">{drawing.reason}</p>
        <a className="button" href={addressOf(drawing)} download={`drawing of ${name.replace(/\.\w+$/, '')}.png`}>
          Download
        </a>
      </div>
    )
  }
  const { url, size, attempts, elapsedMs } = drawing
  return (
    <p className="outcome good">
      <a href={url} target="_blank" rel="noreferrer">
        Open on R2
      </a>
      <span className="note">
        {Math.ceil(size / 1024)} KB, {attempts === 1 ? 'first attempt' : `${attempts} attempts`},{' '}
        {elapsedMs < 1000 ? `${elapsedMs} ms` : `${(elapsedMs / 1000).toFixed(1)} s`}
      </span>
    </p>
  )
}

function addressOf(drawing: Exclude<DrawingOutcome, { drawingError: true }>): string {
  return drawing.uploadError ? `data:${drawing.mimeType};base64,${drawing.imageBase64}` : drawing.url
}
