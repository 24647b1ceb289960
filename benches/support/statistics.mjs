// From rounds of measurements to medians, their spread, and ratios to ours.

const sorted = (numbers) => [...numbers].sort((a, b) => a - b)

export function median(numbers) {
  const all = sorted(numbers)
  const middle = all.length >> 1
  return all.length % 2 ? all[middle] : (all[middle - 1] + all[middle]) / 2
}

function percentile(numbers, share) {
  const all = sorted(numbers)
  return all[Math.min(all.length - 1, Math.floor(all.length * share))]
}

/** `null` where a client has no such number. */
const medianOf = (rounds, value) => (rounds.some((round) => value(round) === null) ? null : median(rounds.map(value)))

const perSecond = ({ uploads, seconds }) => uploads / seconds
const cpuEach = ({ cpuMs, uploads }) => (cpuMs === null ? null : cpuMs / uploads)
const jsThreadEach = ({ jsThreadMs, uploads }) => (jsThreadMs === null ? null : jsThreadMs / uploads)

/** The first of `measured` is the one that the ratios are to. */
export function summarize(measured, bytes) {
  const [[, reference]] = measured
  return [...measured]
    .filter(([, rounds]) => rounds.length > 0)
    .map(([name, rounds]) => {
      const rates = rounds.map(perSecond)
      // Of the same round each, so that what else the machine did then is in both.
      const ratio = (value, invert) => {
        if (rounds.some((round) => value(round) === null)) return null
        const ratios = rounds.map((round, index) => value(reference[index]) / value(round))
        return median(invert ? ratios.map((each) => 1 / each) : ratios)
      }
      const row = {
        name,
        perSecond: median(rates),
        /** Half the distance from the slowest round to the fastest, in shares of the median. */
        spread: (Math.max(...rates) - Math.min(...rates)) / 2 / median(rates),
        mbPerSecond: (median(rates) * bytes) / 1e6,
        cpuMs: medianOf(rounds, cpuEach),
        jsThreadMs: medianOf(rounds, jsThreadEach),
        p50Ms: median(rounds.map(({ times }) => percentile(times, 0.5))),
        p99Ms: median(rounds.map(({ times }) => percentile(times, 0.99))),
        peakMib: medianOf(rounds, ({ peakRss }) => (peakRss === null ? null : peakRss / 1024 / 1024)),
        /** How many times as many uploads a second ours does. */
        fasterBy: ratio(perSecond, false),
        /** How many times our time on processors it takes. */
        cpuTimes: ratio(cpuEach, true),
      }
      const line =
        `${row.perSecond.toFixed(row.perSecond < 10 ? 2 : 0).padStart(8)}/s ±${(row.spread * 100).toFixed(0)} %  ${row.mbPerSecond.toFixed(0).padStart(6)} MB/s  ` +
        `cpu ${format(row.cpuMs)} ms  JS thread ${format(row.jsThreadMs)} ms  p99 ${row.p99Ms.toFixed(2)} ms  ${row.peakMib?.toFixed(0) ?? '-'} MiB  ` +
        `ours × ${row.fasterBy.toFixed(2)}  cpu × ${row.cpuTimes?.toFixed(2) ?? '-'}`
      return { ...row, line }
    })
}

export const format = (number) =>
  number === null ? '–' : number >= 100 ? number.toFixed(0) : String(Number(number.toPrecision(2)))
