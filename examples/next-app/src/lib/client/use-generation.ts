'use client'

import { useCallback, useReducer, useRef } from 'react'
import type { GenerationEvent, GenerationResult } from '@/lib/gen-drawing/messages'
import { NO_PROGRESS, type Progress, follow } from './lanes'

export interface Generation {
  running: boolean
  names: string[]
  progress: Progress
  result?: GenerationResult
  error?: string
}

type Action = { type: 'begin'; names: string[] } | { type: 'end'; error?: string } | { type: 'event'; event: GenerationEvent }

const IDLE: Generation = { running: false, names: [], progress: NO_PROGRESS }

function reduce(state: Generation, action: Action): Generation {
  switch (action.type) {
    case 'begin':
      return { ...IDLE, running: true, names: action.names }
    case 'end':
      return { ...state, running: false, error: action.error ?? state.error }
    case 'event':
      if (action.event.type === 'result') return { ...state, result: action.event.result }
      if (action.event.type === 'error') return { ...state, error: action.event.error }
      return { ...state, progress: follow(state.progress, action.event) }
  }
}

/** Sends pictures to `/api/gen-drawing` and follows what becomes of them. */
export function useGeneration() {
  const [generation, dispatch] = useReducer(reduce, IDLE)
  const abort = useRef<AbortController>(null)

  const start = useCallback(async (form: FormData) => {
    const names = form.getAll('pictures').map((file) => (file instanceof File ? file.name : ''))
    dispatch({ type: 'begin', names })
    abort.current = new AbortController()
    const { signal } = abort.current
    try {
      const headers = { accept: 'application/x-ndjson' }
      const response = await fetch('/api/gen-drawing', { method: 'POST', body: form, headers, signal })
      if (!response.ok) throw new Error(((await response.json()) as { error?: string }).error ?? `Answer ${response.status}`)
      for await (const line of linesOf(response)) dispatch({ type: 'event', event: JSON.parse(line) })
      dispatch({ type: 'end' })
    } catch (error) {
      dispatch({ type: 'end', error: signal.aborted ? 'Stopped.' : `${(error as Error).message}` })
    }
  }, [])

  const stop = useCallback(() => abort.current?.abort(), [])
  return { generation, start, stop }
}

async function* linesOf(response: Response): AsyncGenerator<string> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    const lines = (rest + (value ?? '')).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
    if (done) return
  }
}
