import type { Storage } from '../../index.js'

/** Who may see the dashboard, or read the metrics. Without any of it every request gets 404. */
export type DashboardOptions =
  | {
      /**
       * At least 16 characters, drawn at random: what repeats itself is refused; `openssl rand -hex 32` makes a good one.
       * Programs send it as `Authorization: Bearer`, people type it into a form once in twelve hours. A client that has
       * tried 10 wrong ones gets 429 with `Retry-After`. Absent or empty: 404, so that a forgotten variable opens nothing.
       */
      token: string | undefined
      authorize?: undefined
    }
  | {
      /**
       * Whether this request may see it, by whatever your app has: a session, a header of its proxy. Only `true` opens;
       * else the response is 404. What it throws continues to the framework, as the redirect of Next.js must.
       */
      authorize: (request: Request) => boolean | PromiseLike<boolean>
      token?: undefined
    }

/** The handlers of a route, for every framework that has `Request` and `Response`. */
export interface DashboardRoute {
  /** The page; with `Accept: application/json` or `?format=json` what it shows, as JSON. */
  GET: (request: Request) => Promise<Response>
  /** The form for the token. */
  POST: (request: Request) => Promise<Response>
}

/**
 * A live page of what a storage does: `export const { GET, POST } = dashboard(storage, { token })`.
 *
 * @throws {InputError} for a short token, for both a token and `authorize`, for what is not a storage.
 */
export declare function dashboard(
  storage: Pick<Storage, 'metrics' | 'recentFailures'>,
  options: DashboardOptions,
): DashboardRoute

/** The handler of a route for Prometheus. */
export interface MetricsRoute {
  /** The metrics of {@link Storage.metricsText}, as `application/openmetrics-text`. Never rendered at build time. */
  GET: (request: Request) => Promise<Response>
}

/**
 * The metrics of a storage for Prometheus: `export const { GET } = metricsRoute(storage, { token })`. With a token, a scrape
 * without it gets 401; without a token and `authorize`, with 404.
 *
 * @throws {InputError} for a short token, for both a token and `authorize`, for what is not a storage.
 */
export declare function metricsRoute(storage: Pick<Storage, 'metricsText'>, options: DashboardOptions): MetricsRoute
