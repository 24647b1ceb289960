import type { GenerationEvent, Upload } from '@/lib/gen-drawing/messages'

export interface Attempt {
  number: number
  state: 'sending' | 'waiting' | 'failed' | 'stored' | 'stopped'
  percent: number
  /** Of the failure that ended it. */
  code?: string
  message?: string
  /** How long it waits for its turn. */
  delayMs?: number
}

/** One upload, attempt by attempt. */
export interface Lane {
  attempts: Attempt[]
  state: 'running' | 'stored' | 'failed' | 'stopped'
}

/** Everything that is under way, by picture. */
export interface Progress {
  drawing: ('started' | 'finished' | 'failed')[]
  lanes: Record<string, Lane>
}

export const NO_PROGRESS: Progress = { drawing: [], lanes: {} }

export const laneOf = ({ picture, what }: Upload) => `${picture}-${what}`

/** What is under way after an event. */
export function follow(progress: Progress, event: GenerationEvent): Progress {
  if (event.type === 'drawing') {
    return { ...progress, drawing: Object.assign([...progress.drawing], { [event.picture]: event.state }) }
  }
  if (event.type !== 'upload') return progress
  const id = laneOf(event)
  return { ...progress, lanes: { ...progress.lanes, [id]: next(progress.lanes[id], event) } }
}

/** Nothing is under way any more: what had not ended by itself was stopped. */
export function ended({ drawing, lanes }: Progress): Progress {
  const entries = Object.entries(lanes).map(([id, lane]): [string, Lane] => [
    id,
    lane.state === 'running' ? stopped(lane) : lane,
  ])
  return { drawing, lanes: Object.fromEntries(entries) }
}

function stopped({ attempts }: Lane): Lane {
  const last = attempts.at(-1)
  return {
    state: 'stopped',
    attempts: last ? [...attempts.slice(0, -1), { ...last, state: 'stopped', delayMs: undefined }] : [],
  }
}

function next(lane: Lane | undefined, event: Extract<GenerationEvent, { type: 'upload' }>): Lane {
  const attempts = [...(lane?.attempts ?? [])]
  const last = attempts.pop() ?? { number: 1, state: 'sending', percent: 0 }
  switch (event.state) {
    case 'waiting':
      return { state: 'running', attempts: [{ number: 1, state: 'sending', percent: 0 }] }
    case 'progress':
      return { state: 'running', attempts: [...attempts, { ...last, state: 'sending', percent: event.percent }] }
    case 'retry': {
      const { code, delayMs, attempt = last.number } = event
      const following: Attempt = { number: attempt + 1, state: 'waiting', percent: 0, delayMs }
      return { state: 'running', attempts: [...attempts, { ...last, state: 'failed', code }, following] }
    }
    case 'stored':
      return { state: 'stored', attempts: [...attempts, { ...last, state: 'stored', percent: 100 }] }
    case 'failed':
      return {
        state: 'failed',
        attempts: [...attempts, { ...last, state: 'failed', code: event.code, message: event.message }],
      }
  }
}
