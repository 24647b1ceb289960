import { showCauses } from './causes.js'
import { makeCharts } from './charts.js'
import { showConnection } from './connection.js'
import { byId, show } from './dom.js'
import { showEndpoints } from './endpoints.js'
import { showFailures } from './failures.js'
import { showFoot } from './foot.js'
import { showHeadline } from './headline.js'
import { showNumbers } from './numbers.js'
import { chosenOperation, onChoice, offerOperations, windowOf } from './choices.js'
import { follow } from './poll.js'

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
