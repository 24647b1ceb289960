import { byId, h } from './dom.mjs'
import { durationText, integer, plural } from './format.mjs'

const BREAKER = {
  closed: ['mark', '● Closed', 'requests pass'],
  open: ['mark.bad', '✕ Open', 'requests are held back'],
  halfOpen: ['mark.warn', '◐ Half open', 'one probe is under way'],
}

export function showEndpoints(endpoints) {
  byId('endpoints').replaceChildren(
    ...(endpoints.length > 0 ? endpoints.map(card) : [h('p.none', 'None has been used yet.')]),
  )
}

function card({ endpoint, bucket, role, breaker, pacing, inFlight, queued }) {
  const [mark, state, says] = BREAKER[breaker.state]
  const next =
    breaker.state === 'open' && breaker.retryAfterMs ? `; next probe in ${durationText(breaker.retryAfterMs)}` : ''
  const before = breaker.opened > 0 ? `, opened ${plural(breaker.opened, 'time')} so far` : ''
  return h(
    'div.endpoint',
    h(
      'p.name',
      h('span.mono', endpoint),
      ' ',
      h('span.tag', role === 'failover' ? 'failover' : 'primary'),
      ' ',
      h('span.tag', bucket),
    ),
    h(
      'dl',
      h('dt', 'Breaker'),
      h('dd', h(`span.${mark}`, state), h('span.soft', ` ${says}${next}${before}`)),
      h('dt', 'Pacing'),
      h('dd', ...pacingOf(pacing)),
      h('dt', 'Requests'),
      h('dd', `${integer(inFlight)} in flight, ${integer(queued)} queued`),
    ),
  )
}

function pacingOf({ limiting, requestsPerSecond, concurrency }) {
  if (!limiting) return [h('span.mark', '● Full speed')]
  const limits = [
    requestsPerSecond === null
      ? undefined
      : `${requestsPerSecond < 10 ? requestsPerSecond.toFixed(1) : integer(requestsPerSecond)} requests a second`,
    concurrency === null ? undefined : `${integer(concurrency)} at a time`,
  ]
  return [h('span.mark.warn', '◐ Slowing'), h('span.soft', ` ${limits.filter(Boolean).join(', ')}`)]
}
