import type { ProxyEvent } from '@/lib/lab/messages'

const WORDS: Record<string, string> = {
  forward: 'went through',
  reset: 'connection reset in the middle',
  tlsCut: 'TLS handshake cut off',
  down: 'connection refused',
  slow: 'went through, slowly',
  status: 'turned away',
}

/** What the fault proxy did to each request. */
export function NetworkLog({ events }: { events: ProxyEvent[] }) {
  const start = events[0]?.atMs ?? 0
  return (
    <details className="log" open>
      <summary>What the network did</summary>
      <ol>
        {events.map(({ seq, atMs, method, key, action, status, bodyBytes }) => (
          <li key={seq} className={action === 'forward' || action === 'slow' ? 'good' : 'bad'}>
            <time>{((atMs - start) / 1000).toFixed(1)} s</time>
            <span>{method ? `${method} ${short(key)}` : 'connection'}</span>
            <span>
              {WORDS[action] ?? action}
              {status ? ` · ${status}` : ''}
              {bodyBytes ? ` · ${Math.ceil(bodyBytes / 1024)} KB` : ''}
            </span>
          </li>
        ))}
      </ol>
    </details>
  )
}

/** Keys have a random folder in their middle. */
function short(key: string | null): string {
  const [first, , last] = (key ?? '').split('/')
  return last ? `${first}/…/${last}` : (key ?? '')
}
