'use client'

import { useCallback, useEffect, useRef, useState } from 'react'
import type { ProxyEvent, ProxyEvents } from '@/lib/lab/messages'

const POLL_MS = 400
const MOST_SHOWN = 60

/** Follows the fault proxy while `active`, and switches its faults. */
export function useLab(active: boolean) {
  const [events, setEvents] = useState<ProxyEvent[]>([])
  const last = useRef(0)

  const poll = useCallback(async () => {
    const response = await fetch(`/api/lab?after=${last.current}`)
    if (!response.ok) return
    const news = (await response.json()) as ProxyEvents
    last.current = news.last
    if (news.events.length > 0) setEvents((before) => [...before, ...news.events].slice(-MOST_SHOWN))
  }, [])

  useEffect(() => {
    if (!active) return
    const timer = setInterval(() => void poll().catch(() => {}), POLL_MS)
    return () => {
      clearInterval(timer)
      // What happened since the last look.
      void poll().catch(() => {})
    }
  }, [active, poll])

  const arm = useCallback(async (scenario: string) => {
    const response = await fetch('/api/lab', { method: 'PUT', body: JSON.stringify({ scenario }) })
    if (!response.ok) throw new Error('The fault could not be switched.')
  }, [])

  /** Forgets what was shown; what happened before now is not shown either. */
  const clear = useCallback(async () => {
    await poll().catch(() => {})
    setEvents([])
  }, [poll])

  return { events, arm, clear }
}
