import { byId, h, setText } from './dom.mjs'
import { ago, durationText, plural, time } from './format.mjs'

/** Rows by their failure, so that one that somebody reads stays open while new ones come. */
const rows = new Map()

export function showFailures(failures, now) {
  const list = byId('failures-list')
  setText(byId('failures-count'), failures.length > 0 ? `the last ${failures.length}` : '')
  const seen = new Set()
  const wanted = failures.map((failure) => {
    const id = idOf(failure, seen)
    if (!rows.has(id)) rows.set(id, rowOf(failure))
    return rows.get(id)
  })
  for (const [id, row] of rows) {
    if (!seen.has(id)) {
      row.element.remove()
      rows.delete(id)
    }
  }
  // A row that is where it belongs is not moved: that would take the focus from it.
  wanted.forEach(({ element, report }, index) => {
    report(now)
    if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null)
  })
  const none = list.querySelector('.none')
  if (failures.length > 0) none?.remove()
  else if (!none) list.append(h('p.none', 'No call has failed since this process began.'))
}

function idOf({ at, operation, key, code }, seen) {
  let id = JSON.stringify([at, operation, key, code])
  while (seen.has(id)) id += '+'
  seen.add(id)
  return id
}

function rowOf({
  at,
  operation,
  key,
  code,
  category,
  status,
  host,
  requestId,
  attempts,
  elapsedMs,
  message,
  userMessage,
  advice,
}) {
  const when = h('span.when', { title: new Date(at).toLocaleString() })
  const effort = attempts > 0 ? `${plural(attempts, 'attempt')}, ${durationText(elapsedMs)}` : 'nothing was sent'
  const summary = h(
    'summary',
    when,
    h('span.code.mono', code),
    h(
      'span.key',
      { title: key ?? '' },
      h('span.soft', operation),
      key === undefined ? '' : ' ',
      key !== undefined && h('span.mono', key),
    ),
    h('span.effort', effort),
    h('span.turn', { 'aria-hidden': 'true' }, '›'),
  )
  const facts = {
    at: time(at),
    category,
    key,
    host,
    status,
    'request id': requestId,
  }
  const shown = Object.entries(facts).filter(([, value]) => value !== undefined)
  const inside = h(
    'div.inside',
    h('p.means', advice.means),
    h('ol.steps', ...advice.steps.map((step) => h('li', step))),
    h('p.said.mono', message),
    userMessage && h('p.said', `Message for the user: ${userMessage}`),
    h('p.facts', ...shown.map(([name, value]) => h('span', `${name} `, h('span.mono', String(value))))),
  )
  return { element: h('details.failure', summary, inside), report: (now) => setText(when, ago(now - at)) }
}
