import { byId, h, setText } from './dom.mjs'

/** Each state has its word, its sign and its colour: any one of them will do. */
const STATES = {
  well: ['All well', '✓', '#1a7f4b'],
  degraded: ['Degraded', '!', '#c98500'],
  outage: ['Outage', '✕', '#d63a34'],
  quiet: ['Quiet', '–', '#7b8794'],
  unused: ['No calls yet', '–', '#7b8794'],
}

export function showHeadline({ state, reasons }) {
  const [words, sign, colour] = STATES[state]
  if (document.body.dataset.state !== state) {
    document.body.dataset.state = state
    document.title = `${sign} ${words} · storage`
    byId('icon').href = icon(sign, colour)
  }
  setText(byId('state'), words)
  setText(byId('sign'), sign)
  byId('reasons').replaceChildren(...reasons.map((reason) => h('li', reason)))
}

function icon(sign, colour) {
  const text = `<text x="16" y="23" font-size="20" font-weight="700" font-family="sans-serif" text-anchor="middle" fill="#fff">${sign}</text>`
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="16" fill="${colour}"/>${text}</svg>`
  return `data:image/svg+xml,${encodeURIComponent(svg)}`
}
