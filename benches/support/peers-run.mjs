// One client of benches/peers.mjs at work, in a process of its own, by Node or by Bun. Each line of its input is a run;
// each line of its output says what was reported to the caller of each upload.

import { createInterface } from 'node:readline'
import { clients } from './peers-clients.mjs'
import { bodyOf, keyOf, loads } from './peers-plan.mjs'

const { connect } = clients.find(({ name }) => name === process.argv[2])
// A client whose failure nobody is reported is none that ends this run.
const stray = []
process.on('unhandledRejection', (reason) => stray.push(String(reason)))
process.on('uncaughtException', (reason) => stray.push(String(reason)))
// Some write to the console about each attempt.
console.log = console.warn = console.error = () => {}

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
const codeOf = (error) => String(error?.code ?? error?.Code ?? error?.cause?.code ?? error?.name ?? error).slice(0, 40)

async function run({ id, place, load, withinMs }) {
  const upload = await connect()(place)
  const one = async (index) => {
    const body = bodyOf(load, index)
    const started = performance.now()
    let timer
    const late = new Promise((resolve) => (timer = setTimeout(resolve, withinMs, { reported: 'nothing' })))
    const reported = Promise.resolve()
      .then(() => upload(keyOf(load, index), body))
      .then(
        () => ({ reported: 'stored' }),
        (error) => ({ reported: 'failed', code: codeOf(error) }),
      )
    const outcome = await Promise.race([reported, late])
    clearTimeout(timer)
    return { ...outcome, ms: performance.now() - started }
  }
  const outcomes = await Promise.all(Array.from({ length: loads[load].count }, (_, index) => one(index)))
  say({ id, outcomes, stray: stray.splice(0) })
}

try {
  // Whether it loads here at all.
  await connect()({ url: 'http://127.0.0.1:9', bucket: 'pictures', accessKey: 'a', secretKey: 'b' })
  say({ ready: true })
} catch (error) {
  // A loader of native code has all that it tried for its cause.
  const said = [error, error?.cause].flat().map((each) => String(each?.message ?? each).split('\n')[0])
  const why = said.find((text) => text.includes('GLIBC')) ?? said[0]
  say({
    ready: false,
    why: why
      .replace(/\(required by .*\)/, '')
      .replace(/\/[^ ]*\//g, '')
      .trim(),
  })
}
for await (const line of createInterface({ input: process.stdin }))
  run(JSON.parse(line)).catch((error) => say({ id: JSON.parse(line).id, broken: String(error?.stack ?? error) }))
process.exit()
