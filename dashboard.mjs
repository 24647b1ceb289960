import entry from './dashboard.js'

export const { dashboard } = entry
