import { showCauses } from './causes.mjs'
import { makeCharts } from './charts.mjs'
import { showConnection } from './connection.mjs'
import { byId, show } from './dom.mjs'
import { showEndpoints } from './endpoints.mjs'
import { showFailures } from './failures.mjs'
import { showFoot } from './foot.mjs'
import { showHeadline } from './headline.mjs'
import { showNumbers } from './numbers.mjs'
import { chosenOperation, onChoice, offerOperations, windowOf } from './choices.mjs'
import { follow } from './poll.mjs'

const charts = makeCharts(byId('charts'))
let view

function render() {
  showHeadline(view.health)
  const isEmpty = view.health.state === 'unused' && view.failures.length === 0
  show(byId('empty'), isEmpty)
  for (const part of ['content', 'choice', 'window']) show(byId(part), !isEmpty)
  show(byId('sign-out'), view.canSignOut)
  offerOperations(view.operations)
  const window = windowOf()
  const stats = view.operations[chosenOperation()]
  showNumbers(stats?.[window.name], view.endpoints, window)
  charts.show(stats?.history[window.name] ?? [], view.at, window)
  showCauses(stats?.[window.name], view.meanings, window)
  showEndpoints(view.endpoints)
  showFailures(view.failures, view.at)
  showFoot(view)
}

onChoice(() => view && render())
follow({
  onView(next) {
    view = next
    showConnection('live')
    render()
  },
  onTrouble: (trouble) => showConnection(trouble, view?.at),
})
