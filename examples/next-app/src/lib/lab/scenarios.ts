/** Faults that the page can switch on, as rules of the local fault proxy. */
export interface Scenario {
  id: string
  name: string
  /** What the user is about to see. */
  says: string
  faults: Record<string, unknown>[]
}

const everyUpload = (fault: Record<string, unknown>, times: number) =>
  ['inputs/', 'outputs/'].map((keyContains) => ({ ...fault, method: 'PUT', keyContains, times }))

export const SCENARIOS: readonly Scenario[] = [
  { id: 'off', name: 'No fault', says: 'Everything works.', faults: [] },
  {
    id: 'resets',
    name: 'Connection resets',
    says: 'The connection breaks in the middle of the upload, twice.',
    faults: everyUpload({ fault: 'reset' }, 2),
  },
  {
    id: 'tls',
    name: 'TLS failures',
    says: 'The first six TLS handshakes are cut off; each attempt makes up to three.',
    faults: [{ fault: 'tlsCut', times: 6 }],
  },
  {
    id: '429',
    name: '429 Too Many Requests',
    says: 'R2 asks to wait two seconds.',
    faults: everyUpload({ fault: 'status', status: 429, code: 'TooManyRequests', retryAfter: '2' }, 1),
  },
  {
    id: '503',
    name: '503 Slow Down',
    says: 'R2 is overloaded and turns two attempts away.',
    faults: everyUpload({ fault: 'status', status: 503, code: 'SlowDown' }, 2),
  },
  {
    id: 'slow',
    name: 'Slow line',
    says: 'The upload trickles at 60 KB a second.',
    faults: [{ fault: 'slow', bytesPerSecond: 60_000, method: 'PUT' }],
  },
  {
    id: 'partial',
    name: 'Drawings cannot be stored',
    says: 'Inputs are stored. The first drawing is refused until its attempts are used up.',
    faults: [{ fault: 'status', status: 503, code: 'ServiceUnavailable', method: 'PUT', keyContains: '/0.png' }],
  },
  {
    id: 'down',
    name: 'Storage down',
    says: 'Nothing responds at all. No drawing may be lost.',
    faults: [{ fault: 'down' }],
  },
]
