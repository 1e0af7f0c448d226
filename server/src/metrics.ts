import { Counter, collectDefaultMetrics, Registry } from 'prom-client'
import type { ChangeFeed } from './changes/feed.ts'
import type { ReportedNode } from './cluster/node-state.ts'
import { addClusterMetrics } from './cluster-metrics.ts'
import type { Traffic } from './fanout/traffic.ts'
import type { CallCounts } from './http/api/call-counts.ts'
import type { Cause } from './presence/fact.ts'
import { readyAt, type Spent, spend } from './presence/pace.ts'
import type { Presence } from './presence/presence.ts'
import { ReadMetrics } from './read-metrics.ts'
import type { Refusals } from './refusals.ts'
import type { Store } from './storage/store.ts'
import type { Clock } from './time/clock.ts'
import { addWebhookMetrics } from './webhooks/metrics.ts'
import type { Webhooks } from './webhooks/webhooks.ts'

/** The number of log lines since the start that could not be written, by output. */
export interface DroppedLines {
  readonly console: number
  readonly file: number
}

/** The connections of clients, as the metrics see them. */
export interface MeasuredConnections {
  /** How many there are. */
  readonly connections: number
  /** The number of user ids that are subscribed to, counted once per subscription. */
  readonly subscriptionCount: number
  /** How many connections have unread bytes, and how many bytes these are together. */
  readonly backlog: { readonly connections: number; readonly bytes: number }
  readonly traffic: Traffic
}

/** Where the metrics read their values. */
export interface MetricSources {
  readonly feed: Pick<ChangeFeed, 'listen'>
  readonly presence: Pick<Presence, 'onlineCount' | 'knownCount' | 'shownCounts' | 'leaseCount'>
  readonly gateway: MeasuredConnections
  readonly store: Pick<Store, 'health' | 'times'>
  /** Whether `/readyz` answers 200. */
  readonly isReady: () => boolean
  /** `undefined` if the process belongs to an application: then there are no metrics of the process either. */
  readonly droppedLines: (() => DroppedLines) | undefined
  readonly refusals: Refusals
  readonly clock: Pick<Clock, 'steady'>
  /** `undefined` if this server is not a node of a cluster. */
  readonly cluster?: Pick<ReportedNode, 'state' | 'figures'> | undefined
}

/** How often a text is made. It takes some ms, and anybody can ask for it. Beyond that, requests share the last one. */
const TEXTS = { burst: 10, everyMs: 100 }

/**
 * Metrics for Prometheus. What is not known otherwise is counted where it happens; everything else is read when it is
 * requested. No label has a user id, a key or the path of a URL.
 */
export class Metrics {
  readonly #registry = new Registry()
  readonly #read = new ReadMetrics(this.#registry)
  readonly #clock: Pick<Clock, 'steady'>
  #text: Promise<string> | undefined
  #spent: Spent = 0

  constructor(sources: MetricSources) {
    const { droppedLines, isReady, cluster, refusals } = sources
    this.#clock = sources.clock
    if (droppedLines) this.#addProcess(droppedLines)
    this.#read.gauge('wio_ready', '1 while /readyz answers 200', () => (isReady() ? 1 : 0))
    this.#addUsers(sources)
    this.#addConnections(sources.gateway)
    this.#addStorage(sources.store)
    this.#read.counters(
      'wio_refused_total',
      'What a limit has refused, and for MESSAGES_PER_SECOND the messages that it has delayed',
      'limit',
      () => Object.entries(refusals.counts),
    )
    if (cluster) addClusterMetrics(this.#registry, cluster)
  }

  /** Adds the figures of the HTTP API. */
  addApi({ counts }: Pick<CallCounts, 'counts'>): void {
    new Counter({
      name: 'wio_api_requests_total',
      help: 'Requests of the HTTP API that were answered, by call and by the class of the status; other: no call',
      labelNames: ['call', 'status'],
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const [call, { answered }] of counts) {
          for (const [status, count] of Object.entries(answered)) this.inc({ call, status }, count)
        }
      },
    })
    this.#read.gauges(
      'wio_api_requests_open',
      'Requests of the HTTP API that are being answered: for streamChanges the open streams, for getChanges those that wait',
      'call',
      () => Array.from(counts, ([call, { open }]) => [call, open] as const),
    )
  }

  /** Adds the figures of webhooks. */
  addWebhooks(webhooks: Pick<Webhooks, 'counts' | 'states' | 'unsentMs' | 'isDelivering'>): void {
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

  #addProcess(droppedLines: () => DroppedLines): void {
    collectDefaultMetrics({ register: this.#registry })
    this.#read.counters(
      'wio_log_lines_dropped_total',
      'Log lines that could not be written, by output',
      'output',
      () => Object.entries(droppedLines()),
    )
  }

  #addUsers({ presence, feed }: MetricSources): void {
    this.#read.gauge('wio_users_online', 'Users that others see as online', () => presence.onlineCount)
    this.#read.gauges('wio_users', 'Users by what others see of them', 'presence', () =>
      Object.entries(presence.shownCounts),
    )
    this.#read.gauge(
      'wio_users_known',
      'Known users, including offline ones, and those whom others have never seen',
      () => presence.knownCount,
    )
    this.#read.gauge('wio_leases', 'Sessions that backends have leased', () => presence.leaseCount)
    const causes: Record<Cause, number> = {
      opened: 0,
      left: 0,
      lost: 0,
      kicked: 0,
      nodeLost: 0,
      chosen: 0,
      expired: 0,
      idle: 0,
      active: 0,
      renamed: 0,
    }
    feed.listen({
      changed(changes) {
        for (const { cause } of changes) causes[cause]++
      },
    })
    this.#read.counters('wio_changes_total', 'Visible changes of presence, by their cause', 'cause', () =>
      Object.entries(causes),
    )
  }

  #addConnections(gateway: MeasuredConnections): void {
    const { traffic } = gateway
    this.#read.gauge('wio_connections', 'Open WebSocket connections', () => gateway.connections)
    this.#read.gauge(
      'wio_watched_ids',
      'Subscriptions to user ids, summed over all connections',
      () => gateway.subscriptionCount,
    )
    this.#read.gauge(
      'wio_backlog_bytes',
      'Bytes that wait in this process because clients read too slowly',
      () => gateway.backlog.bytes,
    )
    this.#read.gauge(
      'wio_connections_behind',
      'WebSocket connections for which bytes wait in this process',
      () => gateway.backlog.connections,
    )
    this.#read.counters(
      'wio_deliveries_total',
      'Deliveries by the version of the protocol: the changes of a window to one connection, or what it has missed',
      'version',
      () => Object.entries(traffic.deliveries),
    )
    this.#read.counter('wio_writes_total', 'Writes to WebSocket connections', () => traffic.writes)
    this.#read.counter(
      'wio_written_bytes_total',
      'Bytes written to WebSocket connections',
      () => traffic.bytes,
    )
    this.#read.durations(
      'wio_window_seconds',
      'How long the first change of each window waited until the window was sent',
      traffic.windows,
    )
    this.#read.durations('wio_flush_seconds', 'How long sending a window took', traffic.flushes)
  }

  #addStorage(store: MetricSources['store']): void {
    const isIn = (state: string) => () => (store.health().state === state ? 1 : 0)
    this.#read.gauge('wio_storage_failing', '1 while changes can not be written to the disk', isIn('failing'))
    this.#read.gauge(
      'wio_storage_late',
      '1 while changes wait for the disk for more than a second',
      isIn('late'),
    )
    if (!store.times) return
    const { journal, save } = store.times
    this.#read.durations(
      'wio_storage_journal_seconds',
      'How long each batch of the journal took until it was on the disk',
      journal,
    )
    this.#read.durations('wio_storage_save_seconds', 'How long each snapshot of all users took', save)
  }
}
