const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
})

export const integer = (value) => whole.format(value)

/** Never 100 % of what is not whole, nor 0 % of what is not nothing: the one that failed is what is searched for. */
export function percent(share) {
  const value = share * 100
  if (value >= 100) return whole.format(value)
  const factor = value > 99 || value < 10 ? 100 : 10
  const round = value > 99 ? Math.floor : value < 1 ? Math.ceil : Math.round
  return String(round(value * factor) / factor)
}

/** A length of time as number and unit, for two sizes of type. */
export function duration(ms) {
  if (ms < 1) return ['<1', 'ms']
  if (ms < 1000) return [whole.format(ms), 'ms']
  if (ms < 10_000) return [(ms / 1000).toFixed(2), 's']
  if (ms < 120_000) return [(ms / 1000).toFixed(1), 's']
  return [whole.format(ms / 60_000), 'min']
}

export const durationText = (ms) => duration(ms).join('\u00a0')

export function ago(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 2) return 'now'
  if (seconds < 60) return `${seconds} s ago`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ago`
  return `${Math.floor(seconds / 86_400)} days ago`
}

export function age(ms) {
  return ago(Math.max(ms, 2000)).replace(' ago', '')
}

export const time = (at) => clock.format(at)
export const plural = (many, one, more = `${one}s`) => `${integer(many)} ${many === 1 ? one : more}`
