// As ../../unsupported.mjs, with the names of this entry.
import '../../unsupported.mjs'

export const dashboard = undefined
