/// <reference lib="esnext.disposable" />

import type { OperationName, Metrics } from '../../index.js'

/** What a rule finds wrong. */
export interface AlertFinding {
  /** The name of the alert, by which it is known from one snapshot to the next, together with `subject`. */
  readonly alert: string
  /** What it is about: a call, an endpoint. */
  readonly subject?: string | undefined
  /** @default warning */
  readonly severity?: AlertSeverity | undefined
  /** A sentence for whoever is called. */
  readonly message: string
  /** What was measured. */
  readonly value?: number | undefined
  /** What it should not have passed. */
  readonly threshold?: number | undefined
}

export type AlertSeverity = 'warning' | 'critical'

/**
 * Judges a snapshot. It keeps nothing from one to the next: an alert is over when it is not found any more. Snapshots
 * are frozen.
 */
export type AlertRule = (metrics: Metrics) => AlertFinding | readonly AlertFinding[] | null | undefined

/** An alert that begins, or one that is over. */
export type Alert = FiringAlert | ResolvedAlert

export interface FiringAlert extends AlertFinding {
  readonly severity: AlertSeverity
  readonly state: 'firing'
  readonly startedAt: Date
}

export interface ResolvedAlert extends AlertFinding {
  readonly severity: AlertSeverity
  readonly state: 'resolved'
  readonly startedAt: Date
  readonly endedAt: Date
}

/** Options of the rules. */
export interface RuleOptions {
  /** @default lastFiveMinutes */
  window?: 'lastMinute' | 'lastFiveMinutes' | 'lastHour' | 'total' | undefined
  /**
   * Where fewer calls (of `retryRateAbove`: attempts) were counted, nothing is found.
   *
   * @default 20
   */
  minCalls?: number | undefined
  /**
   * Which calls are judged, each by itself.
   *
   * @default ['uploadFile', 'downloadAndUpload']
   */
  operations?: readonly OperationName[] | undefined
  /** @default see each rule */
  severity?: AlertSeverity | undefined
}

/** `ReliableR2SuccessRateLow`, critical: a smaller share than this, from 0 to 1, of the calls that ended succeeded. */
export declare function successRateBelow(share: number, options?: RuleOptions): AlertRule

/** `ReliableR2RetryRateHigh`, warning: a larger share than this, from 0 to 1, of the attempts had to be repeated. */
export declare function retryRateAbove(share: number, options?: RuleOptions): AlertRule

/** `ReliableR2LatencyHigh`, warning: one call in a hundred took longer, waits included. In milliseconds. */
export declare function p99Above(ms: number, options?: RuleOptions): AlertRule

/** `ReliableR2CallsFailing`, critical: more calls than this failed for good, however many there were. */
export declare function failuresAbove(count: number, options?: Omit<RuleOptions, 'minCalls'>): AlertRule

/** `ReliableR2BreakerOpen`, critical: a circuit breaker is open, or half-open. */
export declare function breakerOpen(options?: Pick<RuleOptions, 'severity'>): AlertRule

/**
 * The rules that `watch` has by default: `successRateBelow(0.99)`, `retryRateAbove(0.2)`, `p99Above(30000)`,
 * `breakerOpen()`, `failuresAbove(5)`. The Prometheus rules in docs/operations have the same numbers.
 */
export declare function standardRules(): AlertRule[]

/** Options of `watch`. */
export interface WatchOptions {
  /** Called when an alert begins and when it is over, once each. An exception in it costs a warning. */
  onAlert: (alert: Alert) => void
  /** @default {@link standardRules} */
  rules?: readonly AlertRule[] | undefined
  /** @default 15000 */
  everyMs?: number | undefined
}

/** What `watch` returns. */
export interface Watch {
  /** Judges now, for where timers do not run (serverless). Returns what is firing. */
  check(): FiringAlert[]
  /** Ends it; what is firing is not reported to be over. */
  stop(): void
  [Symbol.dispose](): void
}

/**
 * Judges the metrics of a storage now and then. Its timer does not keep the process alive. A rule that throws is
 * reported by `process.emitWarning`, once, and decides nothing; the others continue.
 *
 * @throws {TypeError} for wrong options.
 */
export declare function watch(storage: { metrics(): Metrics }, options: WatchOptions): Watch
