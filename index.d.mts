export * from './index.js'

declare const reliableR2: typeof import('./index.js')
export default reliableR2
