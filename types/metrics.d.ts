import type { StorageErrorCategory, StorageErrorCode } from './errors.js'
import type { Storage, downloadAndUpload, uploadFile } from './storage.js'

/** How a storage does; see {@link Storage.metrics}. */
export interface Metrics {
  /** Since the storage was first used, in milliseconds. */
  ageMs: number
  /** What calls came to, by the method that was called; of those that were. */
  operations: Partial<Record<OperationName, OperationMetrics>>
  /** The primary first. */
  endpoints: EndpointMetrics[]
}

export type OperationName =
  | 'uploadFile'
  | 'downloadAndUpload'
  | 'download'
  | 'head'
  | 'delete'
  | 'list'
  | 'abortIncompleteUploads'
  | 'reconcile'

export interface OperationMetrics {
  total: CallStats
  lastMinute: CallStats
  lastFiveMinutes: CallStats
  lastHour: CallStats
  history: {
    /** In steps of 15 seconds. */
    lastFiveMinutes: HistoryStep[]
    /** In steps of a minute. */
    lastHour: HistoryStep[]
  }
}

/** A step of a history; steps in which nothing was counted are left out. */
export interface HistoryStep {
  /** When it began, in milliseconds since the epoch. */
  at: number
  succeeded: number
  failed: number
  retries: number
  latencyMs: LatencyStats | null
}

export interface CallStats {
  calls: number
  succeeded: number
  failed: number
  /**
   * The caller got what they asked about: the object is not there (`head`, `download`), a condition does not hold, a body
   * is larger than `maxBytes`. No failure. Input that is refused before anything is sent is not counted at all.
   */
  rejected: number
  /** Ended by a signal or by `close`: neither a success nor a failure. */
  aborted: number
  /** From 0 to 1, of the calls that succeeded or failed; null where there were none. */
  successRate: number | null
  /** In all, also of the calls that are still under way; those of each part, where there are parts. */
  attempts: number
  /** Attempts that failed and were followed by another. */
  retries: number
  /** By the code of the attempt that failed. */
  retriesByCode: Record<string, number>
  /** Of calls that failed, by their code. */
  failuresByCode: Record<string, number>
  /** Of the objects that calls stored. */
  storedBytes: number
  /** How long calls took, waits included; null where there were none. */
  latencyMs: LatencyStats | null
  /** What their time was made of. */
  phasesMs: {
    /** Each attempt. */
    attempt: LatencyStats | null
    /** Each wait after a failed attempt. */
    wait: LatencyStats | null
    /** Each wait for permission to begin: for pacing, an open breaker, or an earlier write to the same key. */
    queue: LatencyStats | null
  }
}

/** In milliseconds, to within 7 percent. */
export interface LatencyStats {
  p50: number
  p95: number
  p99: number
  max: number
}

/** An endpoint as it is now. */
export interface EndpointMetrics {
  /** Scheme, host and port. */
  endpoint: string
  bucket: string
  role: 'primary' | 'failover'
  breaker: {
    state: BreakerState
    /** Until the next request may pass, in milliseconds; null while all may. */
    retryAfterMs: number | null
    /** How often it was opened. */
    opened: number
  }
  pacing: {
    /** Whether the endpoint has asked for fewer requests of late. */
    limiting: boolean
    /** That are allowed; null while there is no limit. */
    requestsPerSecond: number | null
    /** Requests in flight that are allowed; null while there is no limit. */
    concurrency: number | null
  }
  inFlight: number
  /** Attempts that wait for permission to begin. */
  queued: number
  /** Connections that could not be made and were tried again within an attempt. */
  reconnects: number
  /** How it is proven that the bytes of objects and of parts have arrived; see `verifyIntegrity`. Null before the first. */
  verifiedBy: { objects: Verification | null; parts: Verification | null }
}

/**
 * `checksum`: a CRC-64/NVME that the storage has verified, as R2 does. `md5`: the ETag is that of the bytes.
 * `signature`: it covers the bytes.
 */
export type Verification = 'checksum' | 'md5' | 'signature'

/** `closed`: requests pass. `open`: none does. `halfOpen`: one is under way, to find out. */
export type BreakerState = 'closed' | 'open' | 'halfOpen'

/** A call that failed, and what to do about it; see {@link Storage.recentFailures}. */
export interface RecentFailure {
  /** In milliseconds since 1970. */
  at: number
  operation: OperationName | 'presign'
  key?: string
  code: StorageErrorCode
  category: StorageErrorCategory
  status?: number
  host?: string
  requestId?: string
  /** 0 if nothing was sent. */
  attempts: number
  elapsedMs: number
  message: string
  /** What the person in front of the page may have read. */
  userMessage: string
  /** For whoever is on call. */
  advice: {
    /** What the code means, in a sentence. */
    means: string
    /** What to look at or to do, the likeliest first. */
    steps: string[]
  }
}

// A declaration file without this exports all of its declarations.
export {}
