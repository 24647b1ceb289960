'use strict'

// What docs/operations gives Prometheus and Grafana, by Prometheus' own tool and against the metrics of a real storage.

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } = require('node:fs')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { after, before, describe, test } = require('node:test')
const { standardRules } = require('../../lib/alerts/index.js')
const { Lab, root } = require('../support/lab.js')

const folder = path.join(root, 'docs', 'operations')
const rules = readFileSync(path.join(folder, 'alerts.yml'), 'utf8')
const dashboard = JSON.parse(readFileSync(path.join(folder, 'grafana-dashboard.json'), 'utf8'))
const panels = dashboard.panels.filter(({ type }) => type !== 'row')
const alertNames = [...rules.matchAll(/^ +- alert: (\w+)$/gm)].map(([, name]) => name)

const { PROMTOOL } = process.env
const withPromtool = { skip: PROMTOOL === undefined && 'there is no promtool; run npm run task operations' }

function promtool(...args) {
  const { status, stdout, stderr, error } = spawnSync(PROMTOOL, args, { encoding: 'utf8' })
  assert.ifError(error)
  assert.equal(status, 0, stdout + stderr)
  return stdout
}

/** Prometheus has no dashboards: what their variables stand for. */
function withoutVariables(expression) {
  return expression.replaceAll('$__rate_interval', '5m').replaceAll('$job', '.*').replaceAll('$operation', '.*')
}

describe('operations', { timeout: 120_000 }, () => {
  let lab
  let text
  /** By name: the label sets of its samples. */
  const samples = new Map()
  let work

  before(async () => {
    work = mkdtempSync(path.join(tmpdir(), 'reliable-r2-operations-'))
    lab = await Lab.start()
    const storage = lab.storage()
    await lab.faults(
      { fault: 'reset', method: 'PUT', times: 2 },
      { fault: 'status', status: 429, code: 'SlowDown', method: 'PUT', times: 12, keyContains: 'paced' },
      { fault: 'status', status: 403, code: 'AccessDenied', method: 'PUT', keyContains: 'denied' },
    )
    await storage.uploadFile({ key: 'a', body: 'hello' })
    // Where a fifth of the responses says that it is too much, the endpoint is paced.
    await Promise.all(
      Array.from({ length: 12 }, (_, n) => n).map((n) => storage.uploadFile({ key: `paced ${n}`, body: 'hello' })),
    )
    await assert.rejects(storage.uploadFile({ key: 'denied', body: 'hello' }))
    await storage.head({ key: 'a' })
    text = storage.metricsText()
    storage.close()
    for (const [, name, labels] of text.matchAll(/^(\w+)\{(.*)\} \S+$/gm)) {
      const set = Object.fromEntries(
        Array.from(labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g), ([, label, value]) => [label, value]),
      )
      samples.set(name, [...(samples.get(name) ?? []), set])
    }
  })
  after(async () => {
    await lab.stop()
    rmSync(work, { recursive: true, force: true })
  })

  test('promtool takes the rules', withPromtool, () => {
    assert.match(
      promtool('check', 'rules', path.join(folder, 'alerts.yml')),
      new RegExp(`${alertNames.length} rules found`),
    )
  })

  test('the alerts fire, and do not, as their tests say', withPromtool, () => {
    promtool('test', 'rules', path.join(__dirname, 'alerts.test.yml'))
    const tests = readFileSync(path.join(__dirname, 'alerts.test.yml'), 'utf8')
    for (const name of alertNames)
      assert.match(tests, new RegExp(`alertname: ${name}\\n +exp_alerts:\\n +- exp_labels`), name)
  })

  test('alerts.yml is made from the standard rules: else run `npm run task alerts`', async () => {
    const { makeAlerts } = await import('../../scripts/alerts-yml.mjs')
    assert.equal(rules, makeAlerts())
  })

  test('Prometheus and reliable-r2/alerts alert about the same calls', withPromtool, () => {
    /** What was counted in each five minutes. */
    const scenarios = {
      'all is well': { succeeded: 1000, attempts: 1000 },
      'conditions do not hold': { succeeded: 100, rejected: 900, attempts: 1000 },
      'calls are aborted': { succeeded: 100, aborted: 900, attempts: 1000 },
      'one of fifty fails': { succeeded: 98, failed: 2, attempts: 100 },
      'many of many fail': { succeeded: 10_000, failed: 50, attempts: 10_050 },
      'few calls': { succeeded: 5, failed: 4, attempts: 20, retries: 10 },
      'a third of the attempts is repeated': { succeeded: 100, attempts: 150, retries: 50 },
      'a tenth of the attempts is repeated': { succeeded: 90, attempts: 100, retries: 10 },
      'calls take long': { succeeded: 100, attempts: 100, slow: 5 },
      'the breaker is open': { succeeded: 100, attempts: 100, isOpen: true },
    }
    const tests = Object.entries(scenarios).map(([name, scenario]) => {
      const {
        succeeded = 0,
        failed = 0,
        rejected = 0,
        aborted = 0,
        attempts = 0,
        retries = 0,
        slow = 0,
        isOpen = false,
      } = scenario
      const stats = {
        succeeded,
        failed,
        rejected,
        aborted,
        attempts,
        retries,
        latencyMs: { p99: slow > 0 ? 55_000 : 500 },
        retriesByCode: {},
        failuresByCode: {},
      }
      const breaker = { state: isOpen ? 'open' : 'closed', retryAfterMs: null }
      const metrics = {
        operations: { uploadFile: { lastFiveMinutes: stats } },
        endpoints: [{ endpoint: 'https://r2.example', role: 'primary', breaker }],
      }
      const fired = [
        ...new Set(
          standardRules()
            .flatMap((rule) => rule(metrics))
            .map(({ alert }) => alert),
        ),
      ]
      const counter = (series, count) => ({
        series: `reliable_r2_${series.replace('{', '{job="app", operation="uploadFile", ')}`,
        values: `0+${count / 5}x30`,
      })
      const ended = succeeded + failed
      const bucket = (le, count) => counter(`call_duration_seconds_bucket{le="${le}"}`, count)
      return {
        name,
        interval: '1m',
        input_series: [
          counter('calls_total{outcome="succeeded"}', succeeded),
          counter('calls_total{outcome="failed"}', failed),
          counter('calls_total{outcome="rejected"}', rejected),
          counter('calls_total{outcome="aborted"}', aborted),
          counter('attempts_total{}', attempts),
          counter('retries_total{code="ECONNRESET"}', retries),
          bucket('1.0', ended - slow),
          bucket('30.0', ended - slow),
          bucket('60.0', ended),
          bucket('+Inf', ended),
          counter('call_duration_seconds_count{}', ended),
          {
            series:
              'reliable_r2_breaker_state{job="app", endpoint="https://r2.example", bucket="b", role="primary", state="open"}',
            values: `${Number(isOpen)}x30`,
          },
        ],
        promql_expr_test: [
          {
            expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
            eval_time: '20m',
            exp_samples: fired.map((alertname) => ({ labels: `{alertname="${alertname}"}`, value: 1 })),
          },
        ],
      }
    })
    const seen = new Set(
      tests.flatMap(({ promql_expr_test: [{ exp_samples: samples }] }) => samples.map(({ labels }) => labels)),
    )
    assert.equal(seen.size, alertNames.length, 'every alert fires in a scenario')
    const file = path.join(work, 'same.yml')
    // JSON is YAML.
    writeFileSync(
      file,
      JSON.stringify({ rule_files: [path.join(folder, 'alerts.yml')], evaluation_interval: '15s', tests }),
    )
    promtool('test', 'rules', file)
  })

  test('each alert has its runbook, and each runbook its alert', () => {
    assert.deepEqual(readdirSync(path.join(folder, 'runbooks')).sort(), alertNames.map((name) => `${name}.md`).sort())
    for (const name of alertNames) {
      assert.ok(rules.includes(`runbook_url: runbooks/${name}.md`), name)
      const page = readFileSync(path.join(folder, 'runbooks', `${name}.md`), 'utf8')
      assert.ok(page.startsWith(`# ${name}\n`), name)
      for (const [, link] of page.matchAll(/\]\((\w+\.md)\)/g))
        assert.ok(existsSync(path.join(folder, 'runbooks', link)), link)
    }
  })

  test('every metric, label and value that is asked for is in a real text', () => {
    const pages = [
      ...alertNames.map((name) => path.join(folder, 'runbooks', `${name}.md`)),
      path.join(root, 'docs', 'monitoring.md'),
    ]
    const written = pages.map((page) => readFileSync(page, 'utf8'))
    const expressions = [...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)), rules, ...written]
    const asked = expressions.flatMap((expression) => [
      ...withoutVariables(expression).matchAll(/(reliable_r2_\w+)(?:\{([^}]*)\})?/g),
    ])
    assert.ok(asked.length > 40, String(asked.length))
    for (const [, name, matchers = ''] of asked) {
      // A histogram may be spoken of by its family's name.
      const found = samples.get(name) ?? samples.get(`${name}_bucket`)
      assert.ok(found, `${name} is not in\n${text}`)
      for (const [, label, is, value] of matchers.matchAll(/(\w+)(=~|=)"([^"]*)"/g)) {
        // The scraper's own.
        if (label === 'job') continue
        const values = found.map((labels) => labels[label])
        const one = is === '=' ? [value] : value === '.*' ? [] : value.split('|')
        assert.ok(!values.includes(undefined), `${name} has no label ${label}`)
        // Only uploadFile and head were called.
        for (const wanted of one.filter((it) => it !== 'downloadAndUpload'))
          assert.ok(values.includes(wanted), `${name}{${label}="${wanted}"}`)
      }
    }
  })

  test('promtool takes every expression of the dashboard', withPromtool, () => {
    const records = panels.flatMap(({ id, targets }) =>
      targets.map(
        ({ refId, expr }) =>
          `      - { record: 'panel:${id}:${refId}', expr: ${JSON.stringify(withoutVariables(expr))} }`,
      ),
    )
    const file = path.join(work, 'dashboard.yml')
    writeFileSync(file, `groups:\n  - name: dashboard\n    rules:\n${records.join('\n')}\n`)
    assert.match(promtool('check', 'rules', file), new RegExp(`${records.length} rules found`))
  })

  test('the dashboard can be imported anywhere', () => {
    const variables = dashboard.templating.list.map(({ name }) => name)
    assert.deepEqual(variables, ['datasource', 'job', 'operation'])
    assert.ok(dashboard.uid && dashboard.title && dashboard.schemaVersion >= 42)
    assert.equal(dashboard.id, undefined)
    const ids = dashboard.panels.map(({ id }) => id)
    assert.equal(new Set(ids).size, ids.length)
    const cells = new Set()
    for (const {
      title,
      datasource,
      targets = [],
      gridPos: { x, y, w, h },
      type,
    } of dashboard.panels) {
      if (type !== 'row') assert.deepEqual(datasource, { type: 'prometheus', uid: '${datasource}' }, title)
      for (const target of targets) assert.deepEqual(target.datasource, datasource, title)
      assert.ok(x >= 0 && x + w <= 24, title)
      for (let row = y; row < y + h; row += 1) {
        for (let column = x; column < x + w; column += 1) {
          assert.ok(!cells.has(`${row} ${column}`), `${title} lies on another panel`)
          cells.add(`${row} ${column}`)
        }
      }
    }
  })

  test('Prometheus reads the text: its own parser, every sample', withPromtool, () => {
    // To be stored, samples need a time, which a scrape would give them.
    const now = Math.floor(Date.now() / 1000)
    const timed = text.replace(/^(?!#)(.+)$/gm, `$1 ${now}`)
    const file = path.join(work, 'metrics.txt')
    writeFileSync(file, timed)
    const blocks = path.join(work, 'blocks')
    promtool('tsdb', 'create-blocks-from', 'openmetrics', file, blocks)
    // What `dump` wants to see in a database.
    mkdirSync(path.join(blocks, 'wal'))
    const stored = promtool('tsdb', 'dump', blocks).trim().split('\n')
    const reported = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    assert.equal(stored.length, reported.length)
    for (const name of samples.keys())
      assert.ok(
        stored.some((line) => line.includes(`__name__="${name}"`)),
        name,
      )
  })
})
