// Next.js knows this import by name and fails the build with a trace to the component that should not have
// imported us. A module that only throws would pass the build and break the page when it loads.
import 'server-only'

export * from './unsupported.js'
