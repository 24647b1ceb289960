import type { Attempt, Lane } from '@/lib/client/lanes'

/** One upload, an attempt at a time, from left to right. */
export function UploadLane({ label, lane, isIdle }: { label: string; lane: Lane | undefined; isIdle: boolean }) {
  return (
    <div className="lane" data-state={lane?.state ?? 'none'} data-attempts={lane?.attempts.length ?? 0}>
      <span className="label">{label}</span>
      <ol>
        {lane ? (
          lane.attempts.map((attempt) => <AttemptMark key={attempt.number} attempt={attempt} />)
        ) : (
          <li className="later">{isIdle ? 'not sent' : 'later'}</li>
        )}
      </ol>
    </div>
  )
}

function AttemptMark({ attempt }: { attempt: Attempt }) {
  const { number, state, percent, code, message, delayMs } = attempt
  return (
    <>
      {delayMs !== undefined && (
        <li className={state === 'waiting' ? 'wait running' : 'wait'}>{(delayMs / 1000).toFixed(1)} s</li>
      )}
      <li className={`attempt ${state}`} title={message} style={{ '--percent': `${percent}%` } as React.CSSProperties}>
        <b>{number}</b> {words(state, percent, code)}
      </li>
    </>
  )
}

function words(state: Attempt['state'], percent: number, code: string | undefined): string {
  if (state === 'stored') return 'stored'
  if (state === 'failed') return code ?? 'failed'
  if (state === 'waiting') return 'waits'
  if (state === 'stopped') return 'stopped'
  return `${percent} %`
}
