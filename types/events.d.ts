import type { StorageError, StorageErrorCategory, StorageErrorCode } from './errors.js'
import type { BreakerState, CallStats, OperationName } from './metrics.js'
import type { Storage } from './storage.js'

/** How far an upload is. */
export interface ProgressDetail {
  readonly loadedBytes: number
  /** Absent while it is not known: of streams without a length, and of bodies that are compressed on the way. */
  readonly totalBytes?: number
  /** The part that moved last; 1 for an object in one request. */
  readonly part: number
  /** Of late; at the end, of the whole. */
  readonly bytesPerSecond: number
  /** The attempt that is under way; 1 for the first. */
  readonly attempt: number
}

/** An attempt that failed and will be followed by another. */
export interface RetryEvent {
  readonly operation: OperationName
  /** Absent for `list`, `abortIncompleteUploads` and `reconcile`. */
  readonly key?: string
  /** The attempt that failed; 1 for the first. */
  readonly attempt: number
  readonly maxAttempts: number
  /** How long the attempt took to fail, in milliseconds. */
  readonly attemptMs: number
  /** The wait before the next attempt, in milliseconds. */
  readonly delayMs: number
  readonly code: StorageErrorCode
  readonly category: StorageErrorCategory
  readonly message: string
  readonly status?: number
  readonly host?: string
  /** Since the call began, in milliseconds. */
  readonly elapsedMs: number
}

/**
 * What {@link Storage.on} can listen to. `node:diagnostics_channel` has the same for all storages of the process, as
 * `reliable-r2:attempt`, `reliable-r2:retry` and so on. Events are frozen, and none is made while nobody listens. Signing
 * a URL sends nothing and has no event.
 */
export interface StorageEvents {
  /** An attempt ended. Of an object in parts: each attempt of a part that failed, and the last of all. */
  attempt: AttemptEvent
  /** An attempt failed and another will follow. */
  retry: RetryEvent
  /** A call succeeded; a download, when its bytes were read. */
  success: SuccessEvent
  /** A call failed or was aborted. */
  failure: FailureEvent
  /** The circuit breaker of an endpoint opened, closed, or tries. Belongs to no call, and runs in the context in which the storage was made. */
  breaker: BreakerEvent
  /** A call continues at another endpoint. */
  failover: FailoverEvent
}

/** An attempt that ended. One that was aborted has no event. */
export type AttemptEvent = SucceededAttemptEvent | FailedAttemptEvent

export interface SucceededAttemptEvent {
  readonly operation: OperationName
  /** Absent for `list`, `abortIncompleteUploads` and `reconcile`. */
  readonly key?: string
  /** 1 for the first. */
  readonly attempt: number
  readonly outcome: 'succeeded'
  /** How long the attempt took, in milliseconds; of the last one with its waits for pacing. */
  readonly attemptMs: number
  /** Since the call began, in milliseconds. */
  readonly elapsedMs: number
}

export interface FailedAttemptEvent extends Omit<SucceededAttemptEvent, 'outcome'> {
  readonly outcome: 'failed'
  readonly code: StorageErrorCode
  readonly category: StorageErrorCategory
  readonly message: string
  readonly status?: number
  readonly host?: string
}

/** A call that succeeded. */
export interface SuccessEvent {
  readonly operation: OperationName
  /** Absent for `list`, `abortIncompleteUploads` and `reconcile`. */
  readonly key?: string
  /** Of an upload: where it went. */
  readonly endpoint?: string
  readonly bucket?: string
  readonly attempts: number
  /** Of the object, in bytes, where that is known. */
  readonly size?: number
  readonly elapsedMs: number
}

/** A call that failed, was rejected or was aborted. */
export interface FailureEvent {
  readonly operation: OperationName
  /** Absent for `list`, `abortIncompleteUploads` and `reconcile`. */
  readonly key?: string
  /**
   * `rejected`: the caller got what they asked about; see {@link CallStats}. `aborted`: by a signal or by `close`. Only
   * `failed` calls are logged, counted as failures and listed in {@link Storage.recentFailures}.
   */
  readonly outcome: 'failed' | 'rejected' | 'aborted'
  /** `ERR_ABORTED` if the caller's signal ended the call. */
  readonly code: StorageErrorCode
  readonly category: StorageErrorCategory
  /** 0 if nothing was sent, or if the caller's signal ended the call. */
  readonly attempts: number
  /** What the call rejects with: a {@link StorageError}, or `signal.reason`. */
  readonly error: unknown
  readonly elapsedMs: number
}

/** A circuit breaker that changed its state. */
export interface BreakerEvent {
  /** `https://host` or `https://host:port`. */
  readonly endpoint: string
  readonly state: BreakerState
  readonly previousState: BreakerState
  /** When the next request is let through to try, in milliseconds from now. */
  readonly retryAfterMs?: number
}

/** A call that continues at another endpoint. */
export interface FailoverEvent {
  readonly operation: OperationName
  readonly key?: string
  /** Where it continues: `https://host` or `https://host:port`. */
  readonly endpoint: string
  /** Of the failure that made it leave the endpoint before. */
  readonly code: StorageErrorCode
  readonly elapsedMs: number
}

/** As those of `addEventListener`. */
export interface ListenerOptions {
  /**
   * Whether the listener is removed before its first call.
   *
   * @default false
   */
  once?: boolean | undefined
  /** Removes the listener when it fires. */
  signal?: AbortSignal | undefined
}

// A declaration file without this exports all of its declarations.
export {}
