import type { DrawingOutcome, GenerationEvent, InputOutcome } from '@/lib/gen-drawing/messages'
import { NO_PROGRESS, type Progress, ended, follow } from './lanes'

/** Where a picture and its drawing are, as far as that is known. */
export interface Outcome {
  input?: InputOutcome
  drawing?: DrawingOutcome
}

export interface Generation {
  running: boolean
  names: string[]
  progress: Progress
  outcomes: Outcome[]
  error?: string
}

export type Action =
  | { type: 'begin'; names: string[] }
  /** Some pictures again; what was known of them is forgotten. */
  | { type: 'again'; forget: { picture: number; outcome: Outcome }[] }
  | { type: 'end'; error?: string }
  | { type: 'event'; event: GenerationEvent }

export const IDLE: Generation = { running: false, names: [], progress: NO_PROGRESS, outcomes: [] }

export function reduce(state: Generation, action: Action): Generation {
  switch (action.type) {
    case 'begin':
      return { ...IDLE, running: true, names: action.names, outcomes: action.names.map(() => ({})) }
    case 'again': {
      const outcomes = [...state.outcomes]
      for (const { picture, outcome } of action.forget) outcomes[picture] = outcome
      return { ...state, running: true, error: undefined, outcomes }
    }
    case 'end':
      return { ...state, running: false, progress: ended(state.progress), error: action.error ?? state.error }
    case 'event':
      return afterEvent(state, action.event)
  }
}

function afterEvent(state: Generation, event: GenerationEvent): Generation {
  switch (event.type) {
    case 'error':
      return { ...state, error: event.error }
    case 'outcome': {
      const { picture, type: _, ...known } = event
      const outcomes = state.outcomes.map((outcome, index) => (index === picture ? { ...outcome, ...known } : outcome))
      return { ...state, outcomes }
    }
    // Each outcome has come before.
    case 'result':
      return state
    default:
      return { ...state, progress: follow(state.progress, event) }
  }
}

export const isStored = ({ input, drawing }: Outcome) =>
  input?.uploadError === false && drawing !== undefined && !('drawingError' in drawing) && !drawing.uploadError
