import { randomBytes } from 'node:crypto'
import {
  createServer,
  type ServerOptions as HttpOptions,
  type Server as HttpServer,
  type RequestListener,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import type { ApiKey } from './api-keys.ts'
import { createRedisStream } from './changes/redis-stream.ts'
import { StreamReader } from './changes/stream-reader.ts'
import type { ClusterNode } from './cluster/node.ts'
import { clusterViews } from './cluster-view.ts'
import { type Core, startCore } from './core.ts'
import { clientAddress } from './gateway/address.ts'
import { PlainHttp } from './gateway/plain-http.ts'
import { Sockets } from './gateway/sockets.ts'
import { createApi } from './http/api/api.ts'
import { createApp } from './http/app.ts'
import { BUILT_PAGE, type LivePage, readLivePage } from './http/live-page.ts'
import { createMetricsApp } from './http/metrics-app.ts'
import { createIdentity, isOpen, mustKnowItsNames } from './identity/create-identity.ts'
import { LivePageTokens } from './identity/live-page-tokens.ts'
import type { Log } from './log.ts'
import type { DroppedLines } from './metrics.ts'
import { OBSERVER_ID } from './observer.ts'
import type { Settings } from './settings.ts'
import type { Store } from './storage/store.ts'
import type { SystemClock } from './time/clock.ts'
import { createPlaceFiles } from './webhooks/place-files.ts'
import { createRedisPlaces } from './webhooks/redis-places.ts'
import { Turn } from './webhooks/turn.ts'
import { Webhooks, type WebhooksOptions } from './webhooks/webhooks.ts'

/** The parts of a server that the process creates, and facts about the process. */
export interface ServerOptions {
  readonly settings: Settings
  readonly store: Store
  readonly clock: SystemClock
  readonly log: Log
  readonly version: string
  /** How many files the process may have open; `Infinity` if that is unknown. */
  readonly openFiles: number
  /** The number of log lines that each output has lost since the start. */
  readonly droppedLines: () => DroppedLines
  /** See `CoreOptions.cluster` and `CoreOptions.unusable`. */
  readonly cluster?: ClusterNode | undefined
  readonly unusable?: (reason: string) => void
}

/** A running server. */
export interface Server {
  readonly host: string | undefined
  /** Whether there is a page at `/`. */
  readonly hasPage: boolean
  /** The actual port, even if PORT is 0. */
  readonly port: number
  /**
   * Saves all users, tells all clients to reconnect, and closes all connections and the store. Resolves after at
   * most 10 s.
   *
   * @throws Error when the last save fails or takes more than LAST_SAVE_MS. Everything else is closed nevertheless.
   */
  stop(): Promise<void>
}

/** The path of the WebSocket. */
const PATH = '/ws'

/** The limits of HTTP requests. */
const HTTP_LIMITS: HttpOptions = {
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  // How often Node checks these two limits. With its default of 30 s, a limit of 5 s could take 35 s.
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 16 * 1024,
}

/** How many connections METRICS_PORT has at most: a few programs read the figures. */
const METRICS_CONNECTIONS = 20

/** How long clients may take to close their connections when the server stops, in ms. */
const CLIENTS_CLOSE_MS = 2_500

/**
 * Creates and connects all parts of the server, and listens.
 *
 * @throws StoreLocked, StoreDamaged or StoreUnusable from `Store.load`; an error of Node when it can't listen, which
 * `whyNotListening` explains
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { settings, clock, log, version, cluster } = options
  const livePage = livePageOf(settings, log)
  const built = livePage !== undefined && livePage !== 'not built'
  const livePageTokens =
    built && !isOpen(settings) ? new LivePageTokens(OBSERVER_ID, () => clock.now()) : undefined
  const identity = createIdentity(settings, { clock, log }, livePageTokens, built ? OBSERVER_ID : undefined)
  const core = await startCore({
    ...options,
    identity,
    path: PATH,
    mustKnowItsNames: mustKnowItsNames(settings),
  })
  const { health, metrics, counts, refusals, capacity } = core

  const shared = { clock, log, refusals, trustProxy: settings.TRUST_PROXY }
  const { limits, sockets } = capacity
  const isDevelopment = settings.ENVIRONMENT === 'development'
  const countHistory = () => counts.view(clock.now(), clock.steady())
  const webhooks = new Webhooks({
    urls: settings.WEBHOOK_URLS ?? [],
    secrets: settings.WEBHOOK_SECRET ?? [],
    ...webhookSources(options, core),
    clock,
    log,
    version,
  })
  if (settings.WEBHOOK_URLS) metrics.addWebhooks(webhooks)
  if (cluster) core.eachTick(() => webhooks.advance())
  const api = createApi({
    ...core,
    ...shared,
    addressOf: request => clientAddress(request, settings.TRUST_PROXY).address,
    countHistory,
    node: settings.NODE_NAME ?? hostname(),
    testWebhooks: () => webhooks.test(),
    keys: keysOf(settings),
    isDevelopment,
    pace: limits.apiRequestsPerKey,
  })
  metrics.addApi(api.counts)
  const pageSources = {
    tokens: livePageTokens,
    apiKey: settings.API_KEY,
    isDevelopment,
    isForApi: api.hasKey,
    countHistory,
    cluster: cluster && clusterViews(cluster, clock),
  }
  const app = createApp({
    health,
    metrics: settings.METRICS_PORT === undefined ? metrics : undefined,
    metricsGuard: api.metricsGuard,
    log,
    version,
    livePage,
    pageSources,
    isOpen: isOpen(settings),
    api: api.handler,
  })
  const plainHttp = new PlainHttp(
    {
      ...shared,
      requests: limits.httpRequestsPerAddress,
      isLimited: api.hasKey,
      maxBodyBytes: api.maxBodyBytes,
    },
    app,
  )
  const http = createServer(HTTP_LIMITS, plainHttp.handle)
  new Sockets({ ...shared, sockets, perAddress: limits.connectionsPerAddress }).attach(http)
  core.gateway.attach(http)
  const metricsPort =
    settings.METRICS_PORT === undefined ? undefined : metricsServer(createMetricsApp(metrics, log))

  try {
    // First, because it has no clients that would have to connect again if the other port can't be used.
    if (metricsPort) await listen(metricsPort, settings.METRICS_PORT ?? 0, settings.HOST)
    await listen(http, settings.PORT, settings.HOST)
    core.begin()
    webhooks.start()
  } catch (error) {
    metricsPort?.close()
    await core.abandon()
    throw error
  }

  return {
    host: settings.HOST,
    hasPage: livePage !== undefined,
    port: (http.address() as AddressInfo).port,
    stop() {
      // A request that hangs must not use up the time for the last save. The files are closed before the store is.
      const stopped = webhooks.stop()
      return core.stop(() => {
        metricsPort?.close()
        metricsPort?.closeAllConnections()
        return closed(http, stopped)
      })
    },
  }
}

/** What webhooks read, and where they keep the places of endpoints. Nodes share both, and take turns. */
function webhookSources(
  { settings, cluster, clock }: ServerOptions,
  { changes, feed, sharedChanges }: Core,
): Pick<WebhooksOptions, 'reader' | 'feed' | 'places' | 'turns'> {
  const single = { feed, reader: changes, places: createPlaceFiles(settings.DATA_DIR) }
  if (!cluster || !sharedChanges) return single
  const turn = new Turn({
    isWriter: () => cluster.log.standing?.isWriter ?? false,
    beatAgeMs: () => cluster.ownEntryAgeMs,
    now: () => clock.steady(),
  })
  const turns = {
    isMine: () => turn.isMine(),
    newPlaces: () => createRedisPlaces(cluster, randomBytes(9).toString('base64url')),
    listen: (listener: (count: number) => void) => sharedChanges.listen(listener),
  }
  return { ...single, reader: new StreamReader(createRedisStream(cluster), feed, changes), turns }
}

/** The keys of the API. That of the live page is one of them. */
function keysOf({ API_KEY, API_KEYS = [] }: Settings): ApiKey[] {
  const pageKey: ApiKey[] = API_KEY === undefined ? [] : [{ name: 'API_KEY', right: 'read', key: API_KEY }]
  return [...pageKey, ...API_KEYS]
}

/** The live page, if it is switched on. The page is optional: if it was not built, log that and continue. */
function livePageOf(settings: Settings, log: Log): LivePage | 'not built' | undefined {
  if (settings.DASHBOARD === 'off') return undefined
  const page = readLivePage(BUILT_PAGE)
  if (page && settings.ENVIRONMENT === 'production' && isOpen(settings)) {
    log.info(
      'the live page asks for API_KEY, but /ws does not: every client that can connect sees all users, so put /ws behind a proxy that authenticates clients',
    )
  }
  if (!page) log.info('there is no live page: it was not built')
  return page ?? 'not built'
}

/** Creates the HTTP server of METRICS_PORT. */
function metricsServer(app: RequestListener): HttpServer {
  const http = createServer(HTTP_LIMITS, app)
  http.maxConnections = METRICS_CONNECTIONS
  return http
}

function listen(http: HttpServer, port: number, host: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once('error', reject)
    http.listen({ port, ...(host !== undefined && { host }), backlog: 4_096 }, () => {
      http.off('error', reject)
      resolve()
    })
  })
}

/** Resolves when every connection has ended and `others` has resolved, at the latest after CLIENTS_CLOSE_MS. */
function closed(http: HttpServer, others: Promise<void>): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, CLIENTS_CLOSE_MS)
    http.close(() => {
      void others.then(() => {
        clearTimeout(timer)
        resolve()
      })
    })
    http.closeIdleConnections()
  })
}
