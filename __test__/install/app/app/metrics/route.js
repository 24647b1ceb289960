import { newStorage } from 'reliable-r2'
import { metricsRoute } from 'reliable-r2/dashboard'

export const { GET } = metricsRoute(newStorage(), { token: process.env.DASHBOARD_TOKEN })
