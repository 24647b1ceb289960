import entry from './testing.js'

export const { startLocalR2 } = entry

export default entry
