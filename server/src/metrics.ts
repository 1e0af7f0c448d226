import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { ChangeFeed } from './changes/feed.ts'
import type { ReportedNode } from './cluster/node-state.ts'
import { addClusterMetrics } from './cluster-metrics.ts'
import { readyAt, type Spent, spend } from './presence/pace.ts'
import type { Refusals } from './refusals.ts'
import type { StoreHealth } from './storage/store.ts'
import type { Clock } from './time/clock.ts'
import { addWebhookMetrics } from './webhooks/metrics.ts'
import type { Webhooks } from './webhooks/webhooks.ts'

/** The number of log lines since the start that could not be written, by output. */
export interface DroppedLines {
  readonly console: number
  readonly file: number
}

/** Where the metrics read their values. All functions return the current value. */
export interface MetricSources {
  readonly feed: ChangeFeed
  readonly online: () => number
  readonly known: () => number
  readonly connections: () => number
  readonly subscriptionCount: () => number
  readonly store: () => StoreHealth
  /** `undefined` if the process belongs to an application: then there are no metrics of the process either. */
  readonly droppedLines: (() => DroppedLines) | undefined
  readonly refusals: Refusals
  readonly clock: Pick<Clock, 'steady'>
  /** `undefined` if this server is not a node of a cluster. */
  readonly cluster?: Pick<ReportedNode, 'state' | 'figures'> | undefined
}

/** How often a text is made. It takes some ms, and anybody can ask for it. Beyond that, requests share the last one. */
const TEXTS = { burst: 10, everyMs: 100 }

/** Metrics for Prometheus. Values are read when requested, so the hot path counts nothing. */
export class Metrics {
  readonly #registry = new Registry()

  readonly #clock: Pick<Clock, 'steady'>
  #text: Promise<string> | undefined
  #spent: Spent = 0

  constructor(sources: MetricSources) {
    const { feed, online, known, connections, subscriptionCount, store, droppedLines, refusals } = sources
    this.#clock = sources.clock
    if (droppedLines) this.#ofProcess(droppedLines)
    this.#gauge('wio_users_online', 'Users that others see as online', online)
    this.#gauge('wio_users_known', 'Known users, including offline ones', known)
    this.#gauge('wio_connections', 'Open WebSocket connections', connections)
    this.#gauge(
      'wio_watched_ids',
      'Subscriptions to user ids, summed over all connections',
      subscriptionCount,
    )
    this.#gauge('wio_storage_failing', '1 while changes can not be written to the disk', () =>
      store().state === 'failing' ? 1 : 0,
    )
    this.#gauge('wio_storage_late', '1 while changes wait for the disk for more than a second', () =>
      store().state === 'late' ? 1 : 0,
    )
    new Counter({
      name: 'wio_refused_total',
      help: 'What a limit has refused, and for MESSAGES_PER_SECOND the messages that it has delayed',
      labelNames: ['limit'],
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const [limit, count] of Object.entries(refusals.counts)) this.inc({ limit }, count)
      },
    })
    const changes = new Counter({
      name: 'wio_changes_total',
      help: 'Visible changes of presence since the start',
      registers: [this.#registry],
    })
    if (sources.cluster) addClusterMetrics(this.#registry, sources.cluster)
    feed.listen({ changed: ({ length }) => changes.inc(length) })
  }

  /** Adds the figures of webhooks. */
  addWebhooks(webhooks: Pick<Webhooks, 'counts' | 'unsentMs'>): void {
    addWebhookMetrics(this.#registry, webhooks)
  }

  /** All metrics in the text format of Prometheus. Many requests share one text. */
  text(): Promise<string> {
    const now = this.#clock.steady()
    if (this.#text === undefined || readyAt(TEXTS, this.#spent) <= now) {
      this.#spent = spend(TEXTS, this.#spent, now)
      this.#text = this.#registry.metrics()
    }
    return this.#text
  }

  #ofProcess(droppedLines: () => DroppedLines): void {
    collectDefaultMetrics({ register: this.#registry })
    new Counter({
      name: 'wio_log_lines_dropped_total',
      help: 'Log lines that could not be written, by output',
      labelNames: ['output'],
      registers: [this.#registry],
      collect() {
        this.reset()
        const { console, file } = droppedLines()
        this.inc({ output: 'console' }, console)
        this.inc({ output: 'file' }, file)
      },
    })
  }

  #gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read())
      },
    })
  }
}
