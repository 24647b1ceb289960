// The same contract through the ESM entry. Compiled, never run.

import reliableR2, { newStorage, type UploadOutcome } from '../../index.js'
import type { RecentFailure, Storage } from '../../index.js'
import alerts, { watch } from '../../lib/alerts/index.js'
import { dashboard } from '../../lib/dashboard/index.js'

export const storage: Storage = newStorage({ retry: reliableR2.RetryPresets.fast })
export const outcomes: Promise<UploadOutcome[]> = reliableR2.uploadFiles([])
// @ts-expect-error a misspelt preset
newStorage({ retry: 'agressive' })
// @ts-expect-error a misspelt function
void reliableR2.newStorag

watch(storage, { onAlert: ({ message }) => message, rules: alerts.standardRules() }).stop()
export const failures: RecentFailure[] = storage.recentFailures()
export const { GET, POST } = dashboard(storage, { token: ({} as Record<string, string | undefined>).DASHBOARD_TOKEN })
dashboard(storage, { authorize: async (request) => request.headers.has('x-user') })
// @ts-expect-error both
dashboard(storage, { token: 'a', authorize: () => true })
// @ts-expect-error nobody would be let in
dashboard(storage, {})
// @ts-expect-error no storage
dashboard({}, { token: 'a' })
