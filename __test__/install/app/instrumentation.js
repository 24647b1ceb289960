export async function register() {
  if (process.env.NEXT_RUNTIME !== 'nodejs') return
  const { newStorage } = await import('reliable-r2')
  const { watch } = await import('reliable-r2/alerts')
  watch(newStorage(), { onAlert: console.error })
}
