// What an authentication library gives: the session of the current request, if there is one.
import { cookies } from 'next/headers'

export async function auth(): Promise<{ user: { role: string } } | null> {
  const role = (await cookies()).get('role')?.value
  return role ? { user: { role } } : null
}
