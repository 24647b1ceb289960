import { SCENARIOS } from '@/lib/lab/scenarios'

// The fault proxy's control port is for this machine only; the page reaches it through here. With a real R2
// there is no fault proxy, and none of this.
const control = () => process.env.LAB_CONTROL_URL

const absent = () => Response.json({ error: 'There is no fault proxy here.' }, { status: 404 })

/** What the proxy has seen after number `after`. */
export async function GET(request: Request): Promise<Response> {
  const base = control()
  if (!base) return absent()
  const after = Number(new URL(request.url).searchParams.get('after') ?? 0)
  if (!Number.isSafeInteger(after) || after < 0)
    return Response.json({ error: '`after` must be a number.' }, { status: 400 })
  return relay(await fetch(`${base}/events?after=${after}`, { cache: 'no-store' }))
}

/** Switches a fault on, by the name of its scenario, with all its times left. */
export async function PUT(request: Request): Promise<Response> {
  const base = control()
  if (!base) return absent()
  const wanted = ((await request.json().catch(() => null)) as { scenario?: unknown } | null)?.scenario
  const scenario = SCENARIOS.find(({ id }) => id === wanted)
  if (!scenario) return Response.json({ error: 'There is no such scenario.' }, { status: 400 })
  return relay(await fetch(`${base}/faults`, { method: 'PUT', body: JSON.stringify({ faults: scenario.faults }) }))
}

async function relay(response: Response): Promise<Response> {
  return new Response(await response.text(), {
    status: response.status,
    headers: { 'content-type': 'application/json' },
  })
}
