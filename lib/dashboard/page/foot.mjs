import { byId, h, setText } from './dom.mjs'
import { age, time } from './format.mjs'

const processes = new Set()

export function showFoot({ at, version, process, ageMs }) {
  const name = `${process.host}, process ${process.pid}`
  processes.add(name)
  const several = processes.size > 1 && `${processes.size} processes have answered so far; each shows its own numbers.`
  setText(byId('as-of'), `as of ${time(at)}`)
  byId('foot').replaceChildren(
    h('span', `${name}, counting for ${age(ageMs)}`),
    several ? h('strong', several) : '',
    h('span', `reliable-r2 ${version}`),
  )
}
