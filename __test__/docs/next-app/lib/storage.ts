// The module that the docs ask for: one storage for all routes.
import { newStorage } from 'reliable-r2'

export const storage = newStorage()
