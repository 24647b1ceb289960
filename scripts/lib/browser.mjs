// A Chromium for the tests of the page.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { giveUp, run } from './prepare.mjs'

const KNOWN_PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

/** The program of a browser that is here: `CHROMIUM`, or one that is installed. Debian's is installed if we may. */
export async function findBrowser() {
  const places = [process.env.CHROMIUM, ...KNOWN_PLACES].filter(Boolean)
  const found = () => places.find((place) => existsSync(place))
  if (!found() && process.getuid?.() === 0 && spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status === 0) {
    console.log('Installing Chromium ...')
    await run('apt-get', ['update', '-qq'])
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium', 'fonts-liberation'], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  }
  return (
    found() ??
    giveUp('No Chromium was found. Install it (Debian: apt-get install chromium), or set CHROMIUM to its path.')
  )
}
