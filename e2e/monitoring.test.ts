import { existsSync, readFileSync } from 'node:fs'
import { useServer } from '@who-is-online/testing/use-server'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { Traffic } from '../server/src/fanout/traffic.ts'
import { Metrics } from '../server/src/metrics.ts'
import { Refusals } from '../server/src/refusals.ts'

// deploy/grafana.json and deploy/alerts.yml, beside the figures that a real server has.

/** The values of each label of a figure. */
type Labels = ReadonlyMap<string, ReadonlySet<string>>

const server = useServer({
  WEBHOOK_URLS: 'http://127.0.0.1:1/hook',
  WEBHOOK_SECRET: `whsec_${Buffer.alloc(32).toString('base64')}`,
})

/** The labels of each figure, by its name. */
let figures: ReadonlyMap<string, Labels>
beforeAll(async () => {
  const single = await (await fetch(`${server.origin}/metrics`)).text()
  figures = figuresIn(`${single}\n${await clusterFigures()}`)
})

/** The figures of a node with one other member, as it prints them. */
function clusterFigures(): Promise<string> {
  const member = {
    id: 'b',
    about: { name: 'node-2', version: '1.0.0' },
    beatAgeMs: 500,
    missedBeats: 0,
  }
  const appends = { appended: 1, duplicate: 0, epoch: 0, lost: 0, alive: 0, failed: 0 }
  const shownCounts = { online: 0, away: 0, busy: 0, offline: 0 }
  const metrics = new Metrics({
    feed: { listen() {} },
    presence: { onlineCount: 0, knownCount: 0, shownCounts, leaseCount: 0 },
    gateway: {
      connections: 0,
      subscriptionCount: 0,
      backlog: { connections: 0, bytes: 0 },
      traffic: new Traffic(),
    },
    store: { health: () => ({ state: 'ok' }) },
    isReady: () => true,
    droppedLines: undefined,
    refusals: new Refusals(),
    clock: { steady: () => 0 },
    cluster: {
      state: { isReady: true, awayMs: undefined, epochs: 1, lost: 0, lastFailure: undefined },
      figures: { members: [member], appends, lagMs: 20, ignored: 0 },
    },
  })
  return metrics.text()
}

function figuresIn(text: string): Map<string, Map<string, Set<string>>> {
  const found = new Map<string, Map<string, Set<string>>>()
  for (const [, name = '', labels = ''] of text.matchAll(/^([a-z_]\w*)(?:\{(.*)\})? \S+$/gm)) {
    const known = found.get(name) ?? new Map<string, Set<string>>()
    found.set(name, known)
    for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      known.set(label, (known.get(label) ?? new Set()).add(value))
    }
  }
  // A histogram with labels has no values before the first one, such as the first garbage collection.
  for (const [, name = ''] of text.matchAll(/^# TYPE (\w+) histogram$/gm)) {
    for (const part of ['bucket', 'sum', 'count']) {
      if (!found.has(`${name}_${part}`)) found.set(`${name}_${part}`, new Map())
    }
  }
  return found
}

/** The labels that Prometheus adds. */
const ADDED = ['instance', 'job']

/** What an expression names that the server does not have. */
function unknownIn(expr: string): string[] {
  const unknown: string[] = []
  const named = [...expr.matchAll(/\b((?:wio|nodejs|process)_\w+)(?:\{([^}]*)\})?/g)]
  const labelsHere = new Set<string>(ADDED)
  for (const [, name = '', matchers = ''] of named) {
    const labels = figures.get(name)
    if (!labels) unknown.push(name)
    for (const label of labels?.keys() ?? []) labelsHere.add(label)
    for (const [, label = '', operator = '', value = ''] of matchers.matchAll(
      /(\w+)(=~|!~|!=|=)"([^"]*)"/g,
    )) {
      if (ADDED.includes(label)) continue
      const values = labels?.get(label)
      if (!values) unknown.push(`${name}{${label}}`)
      const wanted = operator.endsWith('~') ? value.split('|') : [value]
      for (const one of wanted) if (values && !values.has(one)) unknown.push(`${name}{${label}="${one}"}`)
    }
  }
  for (const [, labels = ''] of expr.matchAll(/\bby \(([^)]*)\)/g)) {
    for (const label of labels.split(/, */)) if (!labelsHere.has(label)) unknown.push(`by (${label})`)
  }
  if (named.length === 0 && !/^up\{job="who-is-online"\} == 0$/.test(expr))
    unknown.push(`no figure in ${expr}`)
  return unknown
}

/** Whether each bracket is closed by one of its kind. */
function isBalanced(expr: string): boolean {
  const open: string[] = []
  const closing: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }
  for (const letter of expr.replaceAll(/"[^"]*"/g, '')) {
    if (letter in closing) open.push(closing[letter] as string)
    else if (')]}'.includes(letter) && open.pop() !== letter) return false
  }
  return open.length === 0
}

/** The labels that a legend or a text shows. */
const labelsShown = (text: string, pattern: RegExp) =>
  [...text.matchAll(pattern)].map(([, label]) => label ?? '')

/** The labels that the result of an expression has. */
function labelsOf(expr: string): string[] {
  const by = [...expr.matchAll(/\bby \(([^)]*)\)/g)].map(([, labels = '']) => labels.split(/, */))
  if (by.length > 0) return by.flat()
  const names = [...expr.matchAll(/\b(?:wio|nodejs|process)_\w+/g)].map(([name]) => name)
  return [...ADDED, ...names.flatMap(name => [...(figures.get(name)?.keys() ?? [])])]
}

const read = (path: string) => readFileSync(path, 'utf8')

interface Panel {
  readonly type: string
  readonly title: string
  readonly id: number
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly datasource?: { readonly type: string; readonly uid: string }
  readonly targets?: readonly {
    readonly expr: string
    readonly legendFormat: string
    readonly refId: string
  }[]
}

interface Dashboard {
  readonly title: string
  readonly uid: string
  readonly schemaVersion: number
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] }
  readonly panels: readonly Panel[]
}

const dashboard = JSON.parse(read('deploy/grafana.json')) as Dashboard
const queries = dashboard.panels.flatMap(({ targets = [] }) => targets)

describe('[T13] deploy/grafana.json', () => {
  test('has a row for each part of the server', () => {
    const rows = dashboard.panels.filter(({ type }) => type === 'row').map(({ title }) => title)
    expect(rows).toEqual([
      'Users and changes',
      'Connections and delivery',
      'Process',
      'Storage',
      'HTTP API',
      'Webhooks',
      'Cluster',
    ])
  })

  test('names only figures, labels and values that the server has', () => {
    expect(queries.length).toBeGreaterThan(30)
    expect(queries.flatMap(({ expr }) => unknownIn(expr))).toEqual([])
    expect(queries.filter(({ expr }) => !isBalanced(expr))).toEqual([])
    for (const { expr, legendFormat } of queries) {
      const shown = labelsShown(legendFormat, /\{\{(\w+)\}\}/g)
      expect(
        shown.filter(label => !labelsOf(expr).includes(label)),
        expr,
      ).toEqual([])
    }
  })

  test('shows each figure that the server has', () => {
    const names = [...figures.keys()].filter(name => name.startsWith('wio_'))
    expect(names.length).toBeGreaterThan(40)
    // A histogram is shown by its buckets or by its sum.
    const shown = (name: string) => queries.some(({ expr }) => expr.includes(name))
    const stems = new Set(names.map(name => name.replace(/_(bucket|sum|count)$/, '')))
    expect([...stems].filter(stem => !shown(stem))).toEqual([])
  })

  test('can be imported: any data source, ids and places that occur once, variables that exist', () => {
    const { panels, templating, uid, title, schemaVersion } = dashboard
    expect([uid, title, schemaVersion > 30]).toEqual(['who-is-online', 'Who Is Online', true])
    expect('id' in dashboard).toBe(false)
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const variables = templating.list.map(({ name }) => name)
    const used = JSON.stringify(panels).match(/\$\{?(\w+)\}?/g) ?? []
    const known = [...variables, '__rate_interval']
    expect(used.filter(use => !known.includes(use.replaceAll(/[${}]/g, '')))).toEqual([])
    for (const { type, datasource } of panels) {
      if (type !== 'row')
        expect(datasource).toEqual({ type: 'prometheus', uid: expect.stringMatching(/^\$\{datasource\}$/) })
    }
    expect(templating.list.flatMap(({ definition }) => (definition ? unknownIn(definition) : []))).toEqual([])
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`),
    )
    expect(new Set(cells).size).toBe(cells.length)
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
  })
})

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for: string
  readonly labels: { readonly severity: string }
  readonly annotations: {
    readonly summary: string
    readonly description: string
    readonly runbook_url: string
  }
}

const { groups } = parse(read('deploy/alerts.yml'), { strict: true, uniqueKeys: true }) as {
  groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[]
}
const rules = groups.flatMap(group => group.rules)

/** The functions of the templates of Prometheus that the alerts use. */
const FUNCTIONS = ['humanizeDuration', 'humanizePercentage', 'humanize1024']

describe('[T13] deploy/alerts.yml', () => {
  test('has rules for what an operator must know', () => {
    const needed = [
      'wio_storage_late',
      'wio_storage_failing',
      'wio_ready',
      'nodejs_eventloop_lag_p99_seconds',
      'wio_refused_total',
      'wio_webhook_oldest_unsent_seconds',
      'wio_cluster_away',
      'wio_cluster_nodes_lost_total',
    ]
    expect(needed.filter(name => !rules.some(({ expr }) => expr.includes(name)))).toEqual([])
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
    expect(new Set(groups.map(({ name }) => name)).size).toBe(groups.length)
  })

  test('names only figures, labels and values that the server has', () => {
    expect(rules.flatMap(({ expr }) => unknownIn(expr))).toEqual([])
    expect(rules.filter(({ expr }) => !isBalanced(expr))).toEqual([])
  })

  test.each(rules.map(rule => [rule.alert, rule] as const))(
    '%s says what happened and what to do',
    (_alert, rule) => {
      expect(Object.keys(rule).toSorted()).toEqual(['alert', 'annotations', 'expr', 'for', 'labels'])
      expect(Object.keys(rule.annotations).toSorted()).toEqual(['description', 'runbook_url', 'summary'])
      expect(rule.for).toMatch(/^\d+[smh]$/)
      expect(['critical', 'warning']).toContain(rule.labels.severity)
      expect(rule.annotations.description).toMatch(/^[A-Z].*\.$/)
      const { summary } = rule.annotations
      const shown = labelsShown(summary, /\$labels\.(\w+)/g)
      expect(shown.filter(label => !labelsOf(rule.expr).includes(label))).toEqual([])
      const functions = labelsShown(summary, /\$value \| (\w+)/g)
      expect(functions.filter(name => !FUNCTIONS.includes(name))).toEqual([])
    },
  )

  test('each link leads to a section of the documentation', () => {
    for (const { annotations } of rules) {
      const [, path = '', anchor = ''] =
        /^https:\/\/github\.com\/who-is-online\/who-is-online\/blob\/main\/(docs\/[\w-]+\.md)#([\w-]+)$/.exec(
          annotations.runbook_url,
        ) ?? []
      expect([annotations.runbook_url, existsSync(path)]).toEqual([annotations.runbook_url, true])
      const headings = [...read(path).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
        heading
          .toLowerCase()
          .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
          .trim()
          .replaceAll(' ', '-'),
      )
      expect(headings).toContain(anchor)
    }
  })
})

test('negative control: wrong names, labels, values and brackets are found', () => {
  expect(unknownIn('rate(wio_nothing_total[5m])')).toEqual(['wio_nothing_total'])
  expect(unknownIn('wio_users{shown="busy"}')).toEqual(['wio_users{shown}'])
  expect(unknownIn('wio_users{presence=~"busy|gone"}')).toEqual(['wio_users{presence="gone"}'])
  expect(unknownIn('sum by (user) (wio_users)')).toEqual(['by (user)'])
  expect(unknownIn('vector(1)')).toEqual(['no figure in vector(1)'])
  expect(unknownIn('sum by (cause) (rate(wio_changes_total{instance=~"a"}[5m]))')).toEqual([])
  expect([isBalanced('sum(a[5m])'), isBalanced('sum(a[5m)]'), isBalanced('sum(a')]).toEqual([
    true,
    false,
    false,
  ])
})
