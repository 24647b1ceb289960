import { newStorage } from 'reliable-r2'

/** From STORAGE_ENDPOINT, STORAGE_ACCESS_KEY, STORAGE_SECRET_KEY, STORAGE_BUCKET and STORAGE_DOMAIN. */
export const storage = newStorage()
