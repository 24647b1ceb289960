import { byId, h, setText } from './dom.mjs'
import { age, time } from './format.mjs'

const seen = new Set()
let last
let several = false

export function showFoot({ at, version, process, ageMs }) {
  const name = `${process.host}, process ${process.pid}`
  // One that comes back after another has responded was not restarted.
  several ||= name !== last && seen.has(name)
  seen.add(name)
  last = name
  setText(byId('as-of'), `as of ${time(at)}`)
  byId('foot').replaceChildren(
    ...[
      h('span', `${name}, counting for ${age(ageMs)}`),
      several && h('strong', 'Several processes respond here in turns, each with its own numbers.'),
      h('span', `reliable-r2 ${version}`),
    ].filter(Boolean),
  )
}
