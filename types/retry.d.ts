import type { InputError, StorageError, StorageErrorCode, TimeoutError } from './errors.js'

/** The name of a set of retry numbers; see {@link RetryPresets}. */
export type RetryPresetName = 'fast' | 'standard' | 'fileUpload' | 'aggressive' | 'persistent'

/**
 * How the wait before an attempt is drawn from its full length `d`: `bounded` from 2d/3 to d (the default),
 * `full` from 0 to d, `none` always d.
 */
export type Jitter = 'bounded' | 'full' | 'none'

/** The numbers of a preset. Times are in milliseconds. */
export interface RetryPreset {
  /** Attempts in all, the first one included. */
  readonly maxAttempts: number
  /** Full length of the first wait; each later one is twice as long. */
  readonly initialDelayMs: number
  /** No wait is longer, unless the server asks for it by `Retry-After`. */
  readonly maxDelayMs: number
  /** For each attempt. */
  readonly timeout: number
  /** For the whole call, waits included. Absent: bounded by `maxAttempts` only. */
  readonly deadlineMs?: number
}

/**
 * Changes to the retry numbers. What is absent comes from `preset`; without one, in a call from the storage,
 * and in a storage from the preset `fileUpload`. Times are whole numbers of milliseconds up to 2147483647.
 */
export interface RetryOptions {
  /** The numbers to start from. */
  preset?: RetryPresetName | undefined
  /** Attempts in all, the first one included: 1 to 100. */
  maxAttempts?: number | undefined
  /** Full length of the first wait; each later one is twice as long. At most `maxDelayMs`. */
  initialDelayMs?: number | undefined
  /** No wait is longer, unless the server asks for it by `Retry-After`. */
  maxDelayMs?: number | undefined
  /** For each attempt, in milliseconds; at least 1. */
  timeout?: number | undefined
  /**
   * After an attempt that timed out, the next one may take this many times as long: 1 to 100.
   *
   * @default 2
   */
  timeoutGrowth?: number | undefined
  /** For the whole call in milliseconds, waits included; at least 1. No wait goes past it. */
  deadlineMs?: number | undefined
  /** @default bounded */
  jitter?: Jitter | undefined
}

/**
 * The presets, frozen. Each can be given wherever retry options are, as can its name.
 *
 * | preset | maxAttempts | initialDelayMs | maxDelayMs | timeout | deadlineMs |
 * |---|---|---|---|---|---|
 * | fast | 3 | 500 | 5000 | 15000 | |
 * | standard | 3 | 1000 | 10000 | 30000 | |
 * | fileUpload | 4 | 1500 | 15000 | 60000 | |
 * | aggressive | 5 | 2000 | 20000 | 60000 | |
 * | persistent | 50 | 100 | 2000 | 30000 | 120000 |
 */
export declare const RetryPresets: {
  /** For small objects where a person waits. */
  readonly fast: RetryPreset
  readonly standard: RetryPreset
  /** The default of a storage. */
  readonly fileUpload: RetryPreset
  readonly aggressive: RetryPreset
  /** Bounded by time rather than by count: 50 attempts within two minutes, and a breaker that is open is waited for. */
  readonly persistent: Required<RetryPreset>
}

/** What `retryWithBackoff` passes to the function. */
export interface AttemptContext {
  /** 1 for the first. */
  readonly attempt: number
  /** Fires when the attempt's time is up, and with the caller's signal. */
  readonly signal: AbortSignal
}

/** An attempt of `retryWithBackoff` that failed and will be followed by another. */
export interface RetryWithBackoffEvent {
  readonly attempt: number
  readonly maxAttempts: number
  /** The wait before the next attempt, in milliseconds. */
  readonly delayMs: number
  readonly code: StorageErrorCode
  /** What the attempt threw. */
  readonly error: unknown
  /** Since the call began, in milliseconds. */
  readonly elapsedMs: number
}

/** Retry numbers, and what `retryWithBackoff` listens to. */
export interface RetryWithBackoffOptions extends RetryOptions {
  /** Ends the loop, waits included; it rejects with `signal.reason`. */
  signal?: AbortSignal | undefined
  /** Called before each wait. */
  onRetry?: ((event: RetryWithBackoffEvent) => void) | undefined
}

/**
 * Calls `fn` until it succeeds, with the waits, time limits and judgement that uploads have. Numbers default
 * to the preset `fileUpload`.
 *
 * Rejects with what the last attempt threw, untouched; with {@link TimeoutError} if that attempt took too
 * long; with `signal.reason` if `signal` ended the loop; with {@link InputError} for wrong options.
 *
 * @example
 * const picture = await retryWithBackoff(({ signal }) => fetch(provider, { signal }), 'fast')
 */
export declare function retryWithBackoff<T>(
  fn: (attempt: AttemptContext) => T | PromiseLike<T>,
  presetOrOptions?: RetryPresetName | RetryWithBackoffOptions | null,
): Promise<T>

/**
 * Whether another try may help: a {@link StorageError} knows; of other errors the names, codes and statuses
 * in the chain of causes say. `false` for what is unknown.
 *
 * @example
 * if (isRetryableError(error)) queue.push(job)
 */
export declare function isRetryableError(error: unknown): boolean

// A declaration file without this exports all of its declarations.
export {}
