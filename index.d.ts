/** The version of this package and of its addon. */
export declare const VERSION: string

export * from './types/body.js'
export * from './types/config.js'
export * from './types/errors.js'
export * from './types/events.js'
export * from './types/metrics.js'
export * from './types/objects.js'
export * from './types/retry.js'
export * from './types/storage.js'
export * from './types/upload.js'
