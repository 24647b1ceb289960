import { dashboard } from 'reliable-r2/dashboard'
import { storage } from '@/lib/storage'

export const { GET, POST } = dashboard(storage, { token: process.env.DASHBOARD_TOKEN })
