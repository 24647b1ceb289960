import { byId, h } from './dom.mjs'
import { duration, integer, percent, plural } from './format.mjs'

/** The big numbers of one kind of call. */
export function showNumbers(stats, endpoints, window) {
  const ended = stats ? stats.succeeded + stats.failed : 0
  const rate = stats?.successRate ?? null
  const retryRate = stats?.calls ? stats.retries / stats.calls : null
  const latency = stats?.latencyMs ?? null
  const sum = (name) => endpoints.reduce((total, endpoint) => total + endpoint[name], 0)

  byId('numbers').replaceChildren(
    number(
      'Success rate',
      rate === null ? [] : [percent(rate), '%'],
      ended ? `${integer(stats.succeeded)} of ${plural(ended, 'call')} ${window.short}` : `no calls ${window.short}`,
      toneOf(rate),
    ),
    number(
      'Retry rate',
      retryRate === null ? [] : [percent(retryRate), '%'],
      retryRate === null ? '' : plural(stats.retries, 'retry', 'retries'),
      retryRate >= 0.1 ? 'warn' : '',
    ),
    number('p50', latency ? duration(latency.p50) : [], 'half of the calls were faster'),
    number('p95', latency ? duration(latency.p95) : [], '1 in 20 was slower'),
    number('p99', latency ? duration(latency.p99) : [], latency ? `slowest ${duration(latency.max).join(' ')}` : ''),
    number('In flight', [integer(sum('inFlight'))], 'requests'),
    number('Queued', [integer(sum('queued'))], 'requests held back', sum('queued') > 0 ? 'warn' : ''),
  )
}

function toneOf(rate) {
  if (rate === null || rate >= 0.99) return ''
  return rate < 0.5 ? 'bad' : 'warn'
}

function number(name, [value = '–', unit], note, tone) {
  const shown = h('dd.value', value, unit && h('small', ` ${unit}`))
  return h(tone ? `dl.number.${tone}` : 'dl.number', h('dt', name), shown, h('dd.note', note))
}
