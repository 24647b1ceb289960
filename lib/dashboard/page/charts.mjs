import uPlot from 'uplot'
import { h, setText } from './dom.mjs'
import { durationText, integer, percent, time } from './format.mjs'
import { gapped } from './steps.mjs'

const HEIGHT = 150
const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif'

/** Dashes distinguish the lines where colours do not. */
const CHARTS = [
  {
    title: 'Success rate',
    series: [{ name: '', tone: 'good', fill: true, of: successOf, says: (share) => `${percent(share / 100)} %` }],
    extra: ({ failed }) => (failed > 0 ? `${integer(failed)} failed` : undefined),
    range: (lowest) => [[90, 50, 0].find((least) => lowest >= least) ?? 0, 100],
    tick: (value) => `${value} %`,
  },
  {
    title: 'Retries',
    series: [{ name: 'retries', tone: 'amber', bars: true, of: ({ retries }) => retries, says: integer, whenNone: 0 }],
    range: (_, highest) => [0, Math.max(4, Math.ceil(highest * 1.15))],
    tick: (value) => (Number.isInteger(value) ? integer(value) : ''),
  },
  {
    title: 'Latency, with waits',
    series: [
      { name: 'p50', tone: 'calm', of: latencyOf('p50'), says: durationText },
      { name: 'p95', tone: 'calm-2', dash: [7, 4], of: latencyOf('p95'), says: durationText },
      { name: 'p99', tone: 'calm-3', dash: [2, 3], of: latencyOf('p99'), says: durationText },
    ],
    // By powers of ten: a call that waited a minute must not hide whether the others take 20 ms or 200.
    isLogarithmic: true,
    range: (lowest, highest) => [10 ** Math.floor(Math.log10(lowest)), 10 ** (Math.floor(Math.log10(highest)) + 1)],
    tick: (value) => (value < 1000 ? `${integer(value)} ms` : `${integer(value / 1000)} s`),
  },
]

/** The charts, under one cursor. */
export function makeCharts(place) {
  const charts = CHARTS.map((chart) => makeChart(chart))
  place.append(...charts.map(({ element }) => element))
  const scheme = matchMedia('(prefers-color-scheme: dark)')
  scheme.addEventListener('change', () => charts.forEach(({ redraw }) => redraw()))
  return { show: (history, now, window) => charts.forEach((chart) => chart.show(history, now, window)) }
}

function makeChart({ title, series, extra, ...scale }) {
  const legend = h('span.legend')
  const plot = h('div.plot', { tabIndex: 0, role: 'img' })
  const element = h('figure.card.chart', h('figcaption', h('span.title', title), legend), plot)
  const values = series.map((one) => legendItem(legend, one))
  const more = extra && legend.appendChild(h('span'))
  let points = []
  let bounds = [0, 1]

  const report = (index) => {
    const last = points.findLastIndex((point) => point.counted)
    const point = points[index ?? last]
    series.forEach((one, at) => {
      const value = point?.counted ? one.of(point) : null
      setText(values[at], value === null ? '–' : one.says(value))
    })
    if (more) setText(more, (point?.counted && extra(point)) || '')
    const said = series.map((one, at) => `${one.name} ${values[at].textContent}`.trim()).join(', ')
    const label = point
      ? `${title}, ${time(point.at)}: ${said}. Left and right arrow keys move through time.`
      : `${title}: nothing yet.`
    plot.setAttribute('aria-label', label)
  }

  const u = new uPlot(
    optionsOf(series, () => bounds, scale, report),
    [[], ...series.map(() => [])],
    plot,
  )
  new ResizeObserver(
    ([{ contentRect }]) => contentRect.width > 0 && u.setSize({ width: contentRect.width, height: HEIGHT }),
  ).observe(plot)
  plot.addEventListener('keydown', (event) => moveCursor(u, event))
  // Said aloud while somebody moves through it, and not every two seconds else.
  plot.addEventListener('focus', () => legend.setAttribute('aria-live', 'polite'))
  plot.addEventListener('blur', () => {
    legend.removeAttribute('aria-live')
    u.setCursor({ left: -10, top: -10 })
  })

  return {
    element,
    redraw: () => u.redraw(),
    show(history, now, { lengthMs, stepMs }) {
      points = gapped(history, stepMs, now - lengthMs, now)
      // To the end of the step that is under way: its bar is to be seen whole.
      const until = points.length > 0 ? points.at(-1).at + stepMs : now
      bounds = [(until - lengthMs) / 1000, until / 1000]
      const columns = series.map((one) =>
        points.map((point) => (point.counted ? one.of(point) : (one.whenNone ?? null))),
      )
      u.setData([points.map(({ middle }) => middle / 1000), ...columns])
      report(u.cursor.idx ?? undefined)
    },
  }
}

function legendItem(legend, { name, tone, dash, bars }) {
  const key = h(bars ? 'i.block' : 'i')
  key.style.setProperty('--tone', `var(--${tone})`)
  if (dash) key.style.setProperty('--style', dash[0] > 4 ? 'dashed' : 'dotted')
  const value = h('b')
  legend.append(h('span', key, name && `${name} `, value))
  return value
}

function optionsOf(series, boundsOf, { range, tick, isLogarithmic = false }, report) {
  const axis = {
    stroke: () => colour('soft'),
    font: FONT,
    grid: { stroke: () => colour('grid'), width: 1 },
    ticks: { show: false },
  }
  return {
    width: 300,
    height: HEIGHT,
    padding: [8, 12, 0, 0],
    legend: { show: false },
    scales: {
      x: { time: true, range: () => boundsOf() },
      y: { distr: isLogarithmic ? 3 : 1, range: (_, lowest, highest) => range(lowest ?? 100, highest ?? 100) },
    },
    axes: [
      {
        ...axis,
        space: 42,
        size: 26,
        values: (_, splits) => splits.map((at) => (isCut(at, boundsOf()) ? '' : shortTime(at))),
      },
      {
        ...axis,
        space: 34,
        size: 52,
        values: (_, splits) => splits.map(tick),
        ...(isLogarithmic && { splits: powersOf, filter: (_, splits) => splits }),
      },
    ],
    series: [{}, ...series.map(seriesOptions)],
    cursor: {
      y: false,
      drag: { x: false, y: false },
      sync: { key: 'time' },
      points: series.some(({ bars }) => bars) ? { show: false } : { size: 7 },
    },
    hooks: { setCursor: [(u) => report(u.cursor.idx ?? undefined)] },
  }
}

function seriesOptions({ tone, fill, dash, bars }) {
  const look = { stroke: () => colour(tone), width: 2 }
  if (bars)
    return {
      ...look,
      width: 0,
      fill: () => colour(tone),
      paths: uPlot.paths.bars({ size: [0.6, 40], radius: 0.15 }),
      points: { show: false },
    }
  return {
    ...look,
    ...(dash && { dash }),
    ...(fill && { fill: () => `${colour(tone)}24` }),
    // A step between two without calls has no line to be seen by.
    points: { show: true, size: 5, fill: () => colour(tone), filter: (u, index) => lonely(u.data[index]) },
  }
}

function lonely(column) {
  const isGap = (index) => column[index] === null || column[index] === undefined
  return Array.from(column.keys()).filter((index) => !isGap(index) && isGap(index - 1) && isGap(index + 1))
}

function successOf({ succeeded, failed }) {
  return succeeded + failed > 0 ? (succeeded / (succeeded + failed)) * 100 : null
}

function latencyOf(quantile) {
  // Nothing is shorter on a scale that has no zero.
  return ({ latencyMs }) => (latencyMs === null ? null : Math.max(1, latencyMs[quantile]))
}

/** The powers of ten of an axis; where there are few, 3 and 30 as well. */
function powersOf(u, _, from, until) {
  const powers = []
  for (let at = from; at <= until * 1.001; at *= 10) powers.push(at)
  return powers.length > 3 ? powers : powers.flatMap((at) => (at * 3 <= until ? [at, at * 3] : [at]))
}

function moveCursor(u, event) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
  if (step === undefined || u.data[0].length === 0) return
  event.preventDefault()
  const last = u.data[0].length - 1
  const index = Math.min(last, Math.max(0, (u.cursor.idx ?? last + 1) + step))
  u.setCursor({ left: u.valToPos(u.data[0][index], 'x'), top: 10 })
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
}

/** Whether a label there would not have space for its half. */
function isCut(at, [from, until]) {
  return until - at < (until - from) * 0.025
}

function shortTime(seconds) {
  const date = new Date(seconds * 1000)
  const two = (value) => String(value).padStart(2, '0')
  const minutes = `${two(date.getHours())}:${two(date.getMinutes())}`
  return date.getSeconds() === 0 ? minutes : `${minutes}:${two(date.getSeconds())}`
}
