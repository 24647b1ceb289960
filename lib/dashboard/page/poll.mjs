const EVERY_MS = 2000
const ANSWER_WITHIN_MS = 8000

/**
 * Asks the server for the view while the page is seen. `onTrouble` gets `signedOut`, `gone` (the dashboard was switched
 * off) or `unreachable`; the asking goes on.
 */
export function follow({ onView, onTrouble }) {
  let timer
  let asking = false

  async function ask() {
    clearTimeout(timer)
    if (asking || document.hidden) return
    asking = true
    try {
      await askOnce(onView, onTrouble)
    } finally {
      asking = false
      timer = setTimeout(ask, EVERY_MS)
    }
  }

  document.addEventListener('visibilitychange', ask)
  void ask()
}

async function askOnce(onView, onTrouble) {
  let view
  try {
    const headers = { Accept: 'application/json' }
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS)
    const answer = await fetch(location.pathname, { headers, signal, cache: 'no-store', credentials: 'same-origin' })
    if (answer.status === 401) return onTrouble('signedOut')
    if (answer.status === 404) return onTrouble('gone')
    if (!answer.ok) return onTrouble('unreachable')
    view = await answer.json()
  } catch {
    return onTrouble('unreachable')
  }
  onView(view)
}
