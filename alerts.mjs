import alerts from './alerts.js'

export const { breakerOpen, failuresAbove, p99Above, retryRateAbove, standardRules, successRateBelow, watch } = alerts

export default alerts
