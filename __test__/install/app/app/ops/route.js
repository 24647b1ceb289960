import { newStorage } from 'reliable-r2'
import { dashboard } from 'reliable-r2/dashboard'

export const dynamic = 'force-dynamic'
export const { GET, POST } = dashboard(newStorage(), { token: process.env.DASHBOARD_TOKEN })
