// Compiled, never run. Each @ts-expect-error line fails the compilation if it would compile by itself.

import {
  errorResponse,
  InputError,
  RetryPresets,
  Storage,
  StorageError,
  downloadAndUpload,
  fromFile,
  isRetryableError,
  newStorage,
  retryWithBackoff,
  uploadFile,
  type StorageConfig,
  type UploadResult,
  type ErrorResponseBody,
  type PublicUploadResult,
} from '../../index.js'
import { metricsRoute } from '../../lib/dashboard/index.js'
import {
  breakerOpen,
  failuresAbove,
  standardRules,
  successRateBelow,
  watch,
  type Alert,
  type AlertRule,
} from '../../lib/alerts/index.js'

const body = new Uint8Array(1)
const key = 'a.png'
const storage: Storage = newStorage()

export async function drop_in(env: Record<string, string | undefined>, file: File, url: URL): Promise<UploadResult[]> {
  const config: StorageConfig = {
    endpoint: env.A,
    region: 'auto',
    accessKey: env.B,
    secretKey: env.C,
    retryOptions: RetryPresets.fast,
  }
  const made = newStorage(config)
  return [
    await made.uploadFile({
      body: file,
      key,
      contentType: file.type,
      disposition: 'inline',
      onProgress: (percent: number) => percent,
    }),
    await made.downloadAndUpload({ url, key, bucket: env.D }),
    await uploadFile({ body: 'text', key, retry: 'aggressive', signal: AbortSignal.timeout(1) }),
    await downloadAndUpload({ url: 'https://example.com', key, retry: { ...RetryPresets.standard, maxAttempts: 9 } }),
  ]
}

export function retries() {
  newStorage({ retry: 'persistent' })
  newStorage({ retry: { preset: 'fast', jitter: 'full', deadlineMs: RetryPresets.persistent.deadlineMs } })
  // @ts-expect-error a misspelt preset
  newStorage({ retry: 'agressive' })
  // @ts-expect-error a misspelt preset in the old field
  newStorage({ retryOptions: 'file_upload' })
  // @ts-expect-error a misspelt preset inside options
  newStorage({ retry: { preset: 'quick' } })
  // @ts-expect-error a misspelt preset of a call
  void storage.uploadFile({ body, key, retry: 'agressive' })
  // @ts-expect-error a preset that there is not
  void RetryPresets.agressive
  // @ts-expect-error a misspelt number
  newStorage({ retry: { maxAttempt: 3 } })
  // @ts-expect-error a number in words
  newStorage({ retry: { maxAttempts: '3' } })
  // @ts-expect-error a jitter that there is not
  newStorage({ retry: { jitter: 'half' } })
  // @ts-expect-error presets are read-only
  RetryPresets.fast.maxAttempts = 5
}

export async function outages() {
  newStorage({ endpoints: [{ endpoint: 'https://a.example' }, { endpoint: 'https://b.example', bucket: 'spare' }] })
  newStorage({ profile: 'serverless', maxDurationMs: 60_000 })
  // @ts-expect-error a profile that there is not
  newStorage({ profile: 'edge' })
  // @ts-expect-error an endpoint without its URL
  newStorage({ endpoints: [{ bucket: 'spare' }] })
  const { endpoint, failedOver } = await storage.uploadFile({ body, key })
  const { copied, failed } = await storage.reconcile({ prefix: 'a/', keep: true })
  storage.setBreaker('open', endpoint)
  // @ts-expect-error a state that there is not
  storage.setBreaker('ajar')
  const { operations, endpoints } = storage.metrics()
  const p99: number | undefined = operations.uploadFile?.lastMinute.phasesMs.attempt?.p99
  const state: 'closed' | 'open' | 'halfOpen' | undefined = endpoints[0]?.breaker.state
  return [failedOver, copied, failed[0]?.error.code, p99, state]
}

export function options() {
  // @ts-expect-error a misspelt option of the storage
  newStorage({ acessKey: 'x' })
  // @ts-expect-error a misspelt option of a call
  void storage.uploadFile({ body, key, contenttype: 'image/png' })
  // @ts-expect-error no key
  void storage.uploadFile({ body })
  // @ts-expect-error no body
  void storage.uploadFile({ key })
  // @ts-expect-error a promise is no body
  void storage.uploadFile({ key, body: Promise.resolve(body) })
  // @ts-expect-error a plain array is no body
  void storage.uploadFile({ key, body: [1, 2] })
  // @ts-expect-error a body is no source
  void storage.downloadAndUpload({ url: 'https://example.com', key, body })
  // @ts-expect-error metadata are strings
  void storage.uploadFile({ body, key, metadata: { a: 1 } })
  // @ts-expect-error an item has a body or a URL
  void storage.uploadFiles([{ key, body, url: 'https://example.com' }])
  // @ts-expect-error a misspelt option of uploadFiles
  void storage.uploadFiles([], { concurency: 4 })
}

export async function outcomes(): Promise<string[]> {
  const results = await storage.uploadFiles(
    [
      { body, key },
      { url: 'https://example.com', key, maxBytes: 5 },
    ],
    { concurrency: 2 },
  )
  return results.map((result) => {
    // @ts-expect-error a failed item has no url
    void result.url
    return result.uploadError ? result.errorMessage : result.url
  })
}

export async function loop(): Promise<number> {
  const value: number = await retryWithBackoff(async ({ attempt, signal }) => (signal.aborted ? 0 : attempt), 'fast')
  await retryWithBackoff(() => 1, { preset: 'fast', onRetry: ({ delayMs, error }) => void [delayMs, error] })
  // @ts-expect-error a misspelt preset
  await retryWithBackoff(() => 1, 'agressive')
  // @ts-expect-error a misspelt option
  await retryWithBackoff(() => 1, { onRetries() {} })
  return value
}

export function errors(error: unknown): string | undefined {
  if (error instanceof InputError) return error.option
  if (error instanceof StorageError)
    return `${error.code} ${error.category} ${error.retryAfterMs} ${error.toJSON().userMessage}`
  if (error instanceof InputError) return error.category satisfies 'input'
  // @ts-expect-error only the package makes its errors
  new StorageError()
  return isRetryableError(error) ? 'again' : undefined
}

export async function disposal() {
  await using disposed = newStorage({ logger: console })
  using other = newStorage({ logger: false })
  void [disposed, other]
  // @ts-expect-error a logger has methods
  newStorage({ logger: { warn: 'x' } })
}

export async function any_source(
  request: Request,
  stream: ReadableStream<Uint8Array>,
  node: AsyncIterable<string | Uint8Array>,
): Promise<void> {
  await storage.uploadFile({ body: request, key })
  await storage.uploadFile({ body: stream, key, contentLength: 3 })
  await storage.uploadFile({ body: new Response('x'), key })
  await storage.uploadFile({ body: fromFile('a.png'), key })
  // @ts-expect-error a plain object names no file
  await storage.uploadFile({ body: { path: 'a.png' }, key })
  await storage.uploadFile({ body: new URL('file:///a.png'), key })
  await storage.uploadFile({ body: node, key })
  // @ts-expect-error
  await storage.uploadFile({ body: { file: 'a.png' }, key })
  // @ts-expect-error
  await storage.uploadFile({ body: 42, key })
  for await (const { size, lastModified } of storage.list({ prefix: 'a/' })) console.log(size, lastModified?.getTime())
  const { url, expiresAt } = await storage.presign({ key, method: 'PUT', expiresInSeconds: 60 })
  console.log(url, expiresAt.getTime(), await storage.exists({ key }), (await storage.head({ key })).metadata.a)
  // @ts-expect-error
  await storage.presign({ key, method: 'POST' })
}

export function signals() {
  const onRetry = ({ attempt, code }: { attempt: number; code: string }) => console.log(attempt, code)
  storage
    .on('retry', onRetry)
    .off('retry', onRetry)
    .on('attempt', (event) => event.outcome === 'failed' && event.code.length + event.attemptMs)
    .on('success', ({ attempts, size = 0 }) => attempts + size)
    .on('failure', ({ error, code }) => error instanceof StorageError && error.code === code)
    .on('breaker', ({ endpoint, state, retryAfterMs }) => state === 'open' && endpoint.length + (retryAfterMs ?? 0))
    .on('failover', ({ endpoint, code }) => endpoint + code)
  // @ts-expect-error an event that there is not
  storage.on('retries', () => {})
  // @ts-expect-error a field that only failed attempts have
  storage.on('attempt', ({ code }) => code)
  // @ts-expect-error a state that there is not
  storage.on('breaker', ({ state }) => state === 'half-open')
  // @ts-expect-error events are read-only
  storage.on('retry', (event) => (event.attempt = 1))
  newStorage({ logLevel: 'warn', logFormat: 'json', openTelemetry: false })
  // @ts-expect-error a level that there is not
  newStorage({ logLevel: 'fatal' })
  // @ts-expect-error a format that there is not
  newStorage({ logFormat: 'JSON' })
  const structured = {
    child: (bindings: object) => bindings,
    bindings: () => ({}),
    warn: (fields: unknown, message?: string) => console.log(fields, message),
  }
  newStorage({ logger: structured })
}

export function alerts(report: (alert: Alert) => void) {
  const rule: AlertRule = ({ operations, endpoints }) =>
    endpoints.length > 1 && operations.uploadFile ? { alert: 'A', message: 'b', subject: endpoints[0]?.endpoint } : null
  using watching = watch(storage, { rules: [rule, breakerOpen(), ...standardRules()], everyMs: 1000, onAlert: report })
  watching.stop()
  watch(storage, {
    onAlert: (alert) => alert.state === 'resolved' && alert.endedAt.getTime() - alert.startedAt.getTime(),
  })
  watch(storage, {
    onAlert: report,
    rules: [successRateBelow(0.9, { window: 'lastHour', operations: ['head'], severity: 'warning' })],
  })
  // @ts-expect-error nobody is reported
  watch(storage, {})
  // @ts-expect-error an alert that fires has no end
  watch(storage, { onAlert: (alert) => alert.endedAt })
  // @ts-expect-error a window that there is not
  successRateBelow(0.9, { window: 'lastDay' })
  // @ts-expect-error failures are counted, however many calls there were
  failuresAbove(5, { minCalls: 20 })
  // @ts-expect-error a rule returns at once
  watch(storage, { onAlert: report, rules: [async () => null] })
}

export async function responses(error: unknown) {
  const response: Response = errorResponse(error)
  errorResponse(error, { status: 422, headers: new Headers({ vary: 'origin' }), onError: console.error })
  errorResponse(error, { headers: { vary: 'origin' } })
  const { code, userMessage }: ErrorResponseBody = await response.json()
  if (error instanceof StorageError) return error.httpStatus + code.length + userMessage.length
  const [outcome] = await storage.uploadFiles([{ body: 'x', key: 'k' }])
  if (outcome?.uploadError) return [outcome.code, outcome.userMessage, outcome.error]
  const json: PublicUploadResult | undefined = outcome?.toJSON()
  // @ts-expect-error JSON does not show where it is stored
  json?.location
  // @ts-expect-error a success is no error
  errorResponse(error, { state: 200 })
  const { GET } = metricsRoute(storage, { token: process?.env['METRICS_TOKEN'] })
  // @ts-expect-error a token or a function
  metricsRoute(storage, {})
  return (await GET(new Request('http://localhost'))).status
}

declare const process: { env: Record<string, string | undefined> } | undefined
