const EVERY_MS = 2000
const RESPONSE_TIMEOUT_MS = 8000

/**
 * Asks the server for the view while the page is seen. `onTrouble` gets `signedOut`, `gone` (the dashboard was switched
 * off) or `unreachable`; polling continues.
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
    const signal = AbortSignal.timeout(RESPONSE_TIMEOUT_MS)
    const response = await fetch(location.pathname, { headers, signal, cache: 'no-store', credentials: 'same-origin' })
    if (response.status === 401) return onTrouble('signedOut')
    if (response.status === 404) return onTrouble('gone')
    if (!response.ok) return onTrouble('unreachable')
    view = await response.json()
  } catch {
    return onTrouble('unreachable')
  }
  onView(view)
}
