import { byId, h } from './dom.mjs'
import { integer, percent } from './format.mjs'

/** Why attempts were repeated, the most frequent cause first. */
export function showCauses(stats, meanings, window) {
  const causes = Object.entries(stats?.retriesByCode ?? {}).sort(([, a], [, b]) => b - a)
  if (causes.length === 0) {
    byId('causes').replaceChildren(h('p.none', `No attempt had to be repeated ${window.says}.`))
    return
  }
  const [[, most]] = causes
  const rows = causes.map(([code, count]) => {
    const fill = h('div.fill')
    fill.style.width = `${(count / most) * 100}%`
    const rate = stats.calls ? ` · ${percent(count / stats.calls)} % of calls` : ''
    const line = h('div.line', h('span.mono', code), h('span', h('b', integer(count)), h('span.soft', rate)))
    return h(
      'li.cause',
      line,
      h('div.track', { 'aria-hidden': 'true' }, fill),
      meanings[code] && h('p', meanings[code]),
    )
  })
  byId('causes').replaceChildren(h('ul', ...rows))
}
