import { fetchKept } from '@/lib/drawing/temporary'

/** What the local provider's temporary links lead to. */
export async function GET(request: Request, { params }: { params: Promise<{ id: string }> }): Promise<Response> {
  const { id } = await params
  const bytes = fetchKept(id, new URL(request.url).searchParams.get('token') ?? '')
  if (!bytes) return new Response('This link has expired.', { status: 404 })
  return new Response(new Uint8Array(bytes), { headers: { 'content-type': 'image/png', 'cache-control': 'no-store' } })
}
