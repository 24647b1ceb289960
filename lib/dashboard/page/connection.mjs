import { byId, h, show } from './dom.mjs'
import { ago } from './format.mjs'

/** Says when what is shown is not what is so. */
export function showConnection(state, lastResponseAt) {
  const line = byId('connection')
  const isLive = state === 'live'
  document.body.classList.toggle('stale', !isLive)
  show(line, !isLive)
  if (isLive) return
  // By the clocks of both sides: minutes apart they show nothing, and then it says so little.
  const last = lastResponseAt === undefined ? '' : ` The numbers are from ${ago(Date.now() - lastResponseAt)}.`
  if (state === 'signedOut') {
    line.replaceChildren('You are signed out.', last, ' ', h('a', { href: location.pathname }, 'Sign in again'))
  } else if (state === 'gone') {
    line.replaceChildren(`The dashboard is switched off, or not for you any more.${last}`)
  } else {
    line.replaceChildren(`The server cannot be reached; asking again every 2 seconds.${last}`)
  }
}
