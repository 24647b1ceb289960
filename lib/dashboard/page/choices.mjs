import { byId, h } from './dom.mjs'

const WINDOWS = {
  lastFiveMinutes: {
    name: 'lastFiveMinutes',
    lengthMs: 300_000,
    stepMs: 15_000,
    says: 'in the last 5 minutes',
    short: 'in 5 min',
  },
  lastHour: { name: 'lastHour', lengthMs: 3_600_000, stepMs: 60_000, says: 'in the last hour', short: 'in 1 h' },
}

const operations = byId('operation')
let wasChosen = false

export const windowOf = () => WINDOWS[document.querySelector('input[name=window]:checked').value]
export const chosenOperation = () => operations.value

/** The kinds of calls that there were; until somebody chooses, the one that is called most. */
export function offerOperations(stats) {
  const names = Object.keys(stats)
  const offered = Array.from(operations.options, ({ value }) => value)
  if (names.join() !== offered.join()) {
    const { value } = operations
    operations.replaceChildren(...names.map((name) => h('option', { value: name }, name)))
    if (wasChosen && names.includes(value)) operations.value = value
  }
  if (wasChosen || names.length === 0) return
  operations.value = names.reduce((most, name) =>
    stats[name].lastHour.calls > stats[most].lastHour.calls ? name : most,
  )
}

export function onChoice(listener) {
  operations.addEventListener('change', () => {
    wasChosen = true
    listener()
  })
  for (const input of document.querySelectorAll('input[name=window]')) input.addEventListener('change', listener)
}
