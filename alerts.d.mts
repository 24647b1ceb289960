export * from './alerts.js'

declare const alerts: typeof import('./alerts.js')
export default alerts
