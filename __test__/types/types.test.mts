// The same contract through the ESM entry. Compiled, never run.

import reliableR2, { newStorage, type UploadOutcome } from '../../index.mjs'
import type { Storage } from '../../index.js'
import alerts, { watch } from '../../alerts.mjs'

export const storage: Storage = newStorage({ retry: reliableR2.RetryPresets.fast })
export const outcomes: Promise<UploadOutcome[]> = reliableR2.uploadFiles([])
// @ts-expect-error a misspelt preset
newStorage({ retry: 'agressive' })
// @ts-expect-error a misspelt function
void reliableR2.newStorag

watch(storage, { onAlert: ({ message }) => message, rules: alerts.standardRules() }).stop()
