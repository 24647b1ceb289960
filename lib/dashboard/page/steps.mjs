/**
 * The steps of a window on an even grid: those in which something was counted, and between them those in which nothing
 * was, so that a line breaks there instead of inventing what lies between. Oldest first.
 */
export function gapped(history, stepMs, from, until) {
  const counted = history.filter(({ at }) => at + stepMs > from && at <= until)
  if (counted.length === 0) return []
  const points = []
  // The grid is that of the counting; a fresh process has none before its first step.
  let at = counted[0].at
  for (; at - stepMs + stepMs / 2 >= from; at -= stepMs);
  for (const point of counted) {
    for (; at < point.at - stepMs / 2; at += stepMs) points.push(empty(at, stepMs))
    points.push({ ...point, counted: true, middle: middleOf(point.at, stepMs) })
    at = point.at + stepMs
  }
  for (; at + stepMs / 2 <= until; at += stepMs) points.push(empty(at, stepMs))
  return points
}

function empty(at, stepMs) {
  return { at, counted: false, middle: middleOf(at, stepMs) }
}

function middleOf(at, stepMs) {
  return at + stepMs / 2
}
