import { readFileSync } from 'node:fs'
import path from 'node:path'

export const here = path.dirname(new URL(import.meta.url).pathname)
export const { APP_URL, LAB_CONTROL_URL, LOCAL_R2_OBJECTS, CHROMIUM } = process.env
if (!APP_URL) throw new Error('These tests need the running app: npm run task e2e')

export const sample = (name) => readFileSync(path.join(here, '..', 'public', 'samples', `${name}.jpg`))

/** What the local R2 holds. */
export const stored = (key) => readFileSync(path.join(LOCAL_R2_OBJECTS, key))

export async function faults(...rules) {
  const response = await fetch(`${LAB_CONTROL_URL}/faults`, { method: 'PUT', body: JSON.stringify({ faults: rules }) })
  if (!response.ok) throw new Error(await response.text())
}

export function formWith(names, fields = {}) {
  const form = new FormData()
  for (const name of names) form.append('pictures', new File([sample(name)], `${name}.jpg`, { type: 'image/jpeg' }))
  for (const [name, value] of Object.entries({ prompt: 'in blue ink', ...fields })) form.set(name, value)
  return form
}

export const post = (form, init = {}) =>
  fetch(`${init.url ?? APP_URL}/api/gen-drawing`, { method: 'POST', body: form, ...init })

export const isPng = (bytes) => Buffer.from(bytes).subarray(0, 8).equals(Buffer.from('89504e470d0a1a0a', 'hex'))
