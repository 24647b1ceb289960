import { Studio } from '@/components/Studio'

// Whether there is a fault proxy, and a token for the dashboard, is known when the app starts, not when it is built.
export const dynamic = 'force-dynamic'

export default function Page() {
  return <Studio hasLab={Boolean(process.env.LAB_CONTROL_URL)} hasDashboard={Boolean(process.env.DASHBOARD_TOKEN)} />
}
