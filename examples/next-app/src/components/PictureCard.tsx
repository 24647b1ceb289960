import { type Progress, laneOf } from '@/lib/client/lanes'
import type { DrawingOutcome, PictureResult } from '@/lib/gen-drawing/messages'
import { UploadLane } from './UploadLane'

interface Props {
  index: number
  name: string
  progress: Progress
  result: PictureResult | undefined
}

/** A picture on its way: both uploads, the drawing, and where it is in the end. */
export function PictureCard({ index, name, progress, result }: Props) {
  return (
    <article className="card">
      <div className="drawing">{result ? <DrawingView name={name} drawing={result.drawing} /> : <Placeholder state={progress.drawing[index]} />}</div>
      <div className="facts">
        <h2>{name}</h2>
        <UploadLane label="Input" lane={progress.lanes[laneOf({ picture: index, what: 'input' })]} />
        <UploadLane label="Drawing" lane={progress.lanes[laneOf({ picture: index, what: 'drawing' })]} />
        {result && <Outcome name={name} drawing={result.drawing} />}
        {result?.input.uploadError && <p className="note">The input was not stored: {result.input.errorMessage}</p>}
      </div>
    </article>
  )
}

function Placeholder({ state }: { state: Progress['drawing'][number] | undefined }) {
  return <div className="placeholder">{state === 'finished' ? 'drawn, on its way to R2' : state === 'failed' ? 'not drawn' : 'drawing…'}</div>
}

function DrawingView({ name, drawing }: { name: string; drawing: DrawingOutcome }) {
  if ('drawingError' in drawing) return <div className="placeholder">no drawing</div>
  return <img src={addressOf(drawing)} alt={`Drawing of ${name}`} />
}

function Outcome({ name, drawing }: { name: string; drawing: DrawingOutcome }) {
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
        {Math.ceil(size / 1024)} KB, {attempts === 1 ? 'first attempt' : `${attempts} attempts`}, {elapsedMs < 1000 ? `${elapsedMs} ms` : `${(elapsedMs / 1000).toFixed(1)} s`}
      </span>
    </p>
  )
}

function addressOf(drawing: Exclude<DrawingOutcome, { drawingError: true }>): string {
  return drawing.uploadError ? `data:${drawing.mimeType};base64,${drawing.imageBase64}` : drawing.url
}
