import { randomBytes } from 'node:crypto'
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { MAX_MESSAGE_BYTES, MAX_USER_IDS } from '@who-is-online/protocol/words'
import { capacityOf } from './capacity.ts'
import { MemoryFeed } from './changes/memory-feed.ts'
import { createSingleLog } from './cluster/single.ts'
import { Gateway } from './gateway/gateway.ts'
import { PlainHttp } from './gateway/plain-http.ts'
import { Sockets } from './gateway/sockets.ts'
import { createApp } from './http/app.ts'
import { BUILT_PAGE, type LivePage, readLivePage } from './http/live-page.ts'
import { createIdentity, isOpen, mustKnowItsNames } from './identity/create-identity.ts'
import { LivePageTokens } from './identity/live-page-tokens.ts'
import type { Log } from './log.ts'
import { type DroppedLines, Metrics } from './metrics.ts'
import { OBSERVER_ID } from './observer.ts'
import type { EndedSession } from './presence/change.ts'
import { UNPACED } from './presence/pace.ts'
import { Presence } from './presence/presence.ts'
import { Refusals } from './refusals.ts'
import { Requests } from './requests.ts'
import type { Settings } from './settings.ts'
import type { Store } from './storage/store.ts'
import type { SystemClock } from './time/clock.ts'
import { Ticker } from './time/ticker.ts'
import { Tracker } from './tracker.ts'

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

/** The most steps of due work in one tick. More would block the event loop for too long. */
const STEPS_PER_TICK = 8

/** How long a stop waits for the last save, in ms. docs/operating.md has all times of a stop. */
const LAST_SAVE_MS = 6_000

/** How long clients may take to close their connections when the server stops, in ms. */
const CLIENTS_CLOSE_MS = 2_500

/** How long a stop waits for the store to close, in ms since its begin. It is less than STOP_MS of process.ts. */
const STORE_CLOSE_MS = 9_000

const DAY_MS = 86_400_000

/** During a longer suspension, in ms, clients may give up their connections and their attempts to connect. */
const NOTICED_MS = 5_000

/**
 * Creates and connects all parts of the server, and listens.
 *
 * @throws StoreLocked, StoreDamaged or StoreUnusable from `Store.load`; an error of Node when it can't listen, which
 * `whyNotListening` explains
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { settings, store, clock, log, version } = options
  const records = await store.load()
  const presence = new Presence({
    graceMs: settings.OFFLINE_GRACE_MS,
    restartGraceMs: settings.RESTART_GRACE_MS,
    inactiveGraceMs: settings.INACTIVE_GRACE_MS,
    noticedMs: NOTICED_MS,
    hiddenKeepMs: settings.HIDDEN_KEEP_MS,
    changePace:
      settings.LIMITS === 'off'
        ? UNPACED
        : { burst: settings.STATUS_CHANGES_PER_WINDOW, everyMs: 30_000 / settings.STATUS_CHANGES_PER_WINDOW },
    maxKnown: settings.MAX_KNOWN_USERS,
    keepMs: settings.KEEP_DAYS * DAY_MS,
  })
  const { limits, sockets, warning } = capacityOf(settings, options.openFiles)
  if (warning !== undefined) log.info(warning)
  const report = (error: unknown): void =>
    log.error('a bug: a listener of changes failed', { error: String((error as Error)?.stack ?? error) })
  const feed = new MemoryFeed({ epoch: newEpoch(), recent: settings.RECENT_CHANGES, report })
  const livePage = livePageOf(settings, log)
  const built = livePage !== undefined && livePage !== 'not built'
  const livePageTokens =
    built && !isOpen(settings) ? new LivePageTokens(OBSERVER_ID, () => clock.now()) : undefined
  const { ALL_USERS_LIMIT: allUsersLimit } = settings
  const forgot = (users: number): void =>
    log.info('users who were not seen for KEEP_DAYS were forgotten', { users })
  const ended = ({ userId, sessionId }: EndedSession): void =>
    log.debug('session ended', { userId, sessionId })
  const tracker = new Tracker({ presence, log: createSingleLog(), feed, store, clock, ended, forgot })
  const requests = new Requests({ presence, tracker, feed, clock, allUsersLimit })
  // Read the time before listening to the clock: changes of the clock until now do not matter. A later change does: a
  // jump while the store starts would count as time that has passed, and users would be forgotten.
  const restoredNow = clock.now()
  clock.listen({
    suspended(ms, now) {
      tracker.suspended(ms, now)
      log.info('the process was suspended; this time is not counted in any timeout', { ms })
    },
    jumped(ms, now) {
      tracker.jumped(ms, now)
      log.info('the wall clock was set; timestamps follow it, timeouts do not', { ms })
    },
    corrected: ms => tracker.leaveOut(ms),
  })
  presence.restore(records, restoredNow, records)
  const restoredAt = clock.awake()
  await store.start(
    () => presence.records(),
    () => presence.knownTime(clock.now()),
  )

  const refusals = new Refusals()
  const gateway = new Gateway({
    tracker,
    requests,
    presence,
    feed,
    clock,
    log,
    identity: createIdentity(settings, { clock, log }, livePageTokens, built ? OBSERVER_ID : undefined),
    limits,
    refusals,
    heartbeat: { pingMs: settings.PING_MS, pongTimeoutMs: settings.PONG_TIMEOUT_MS, random: Math.random },
    origins: {
      allowed: settings.ALLOWED_ORIGINS,
      hosts: mustKnowItsNames(settings) ? settings.ALLOWED_HOSTS : undefined,
      development: settings.ENVIRONMENT === 'development',
    },
    compression: settings.COMPRESSION === 'on',
    trustProxy: settings.TRUST_PROXY,
    expiredGraceMs: settings.AUTH_EXPIRED_GRACE_MS,
    maxBufferedBytes: settings.MAX_BUFFERED_BYTES,
    maxSubscribedUsers: settings.MAX_WATCHED_USERS,
    maxSubscriptions: settings.MAX_WATCHED_IDS,
    allUsersLimit,
    terms: {
      heartbeatMs: settings.PING_MS,
      graceMs: settings.OFFLINE_GRACE_MS,
      limits: {
        maxMessageBytes: MAX_MESSAGE_BYTES,
        maxUserIds: MAX_USER_IDS,
        maxWatchedUsers: settings.MAX_WATCHED_USERS,
        messagesPerSecond: settings.MESSAGES_PER_SECOND,
        messagesBurst: settings.MESSAGES_BURST,
      },
    },
  })
  const metrics = new Metrics({
    feed,
    online: () => presence.onlineCount,
    known: () => presence.knownCount,
    connections: () => gateway.connections,
    subscriptionCount: () => gateway.subscriptionCount,
    store: () => store.health(),
    droppedLines: options.droppedLines,
    refusals,
    clock,
  })
  let stopping = false
  const health = {
    get stopping() {
      return stopping
    },
    get store() {
      return store.health()
    },
  }

  const app = createApp({
    health,
    metrics,
    log,
    version,
    livePage,
    livePageTokens,
    apiKey: settings.API_KEY,
    isOpen: isOpen(settings),
  })
  const shared = { clock, log, refusals, trustProxy: settings.TRUST_PROXY }
  const plainHttp = new PlainHttp({ ...shared, requests: limits.httpRequestsPerAddress }, app)
  const http = createServer(
    {
      headersTimeout: 5_000,
      requestTimeout: 10_000,
      // How often Node checks these two limits. With its default of 30 s, a limit of 5 s could take 35 s.
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 16 * 1024,
    },
    plainHttp.handle,
  )
  new Sockets({ ...shared, sockets, perAddress: limits.connectionsPerAddress }).attach(http)
  gateway.attach(http)

  const ticker = new Ticker(clock, (now, awake) => {
    for (let step = 0; step < STEPS_PER_TICK && tracker.advance(now, awake); step++);
    gateway.advance(awake)
  })
  ticker.start()

  try {
    await listen(http, settings.PORT, settings.HOST)
    // Clients could not reconnect until now, so the restart grace period begins now.
    tracker.leaveOut(clock.awake() - restoredAt)
  } catch (error) {
    ticker.stop()
    await Promise.race([store.close(), timeLimit(LAST_SAVE_MS)])
    throw error
  }

  return {
    host: settings.HOST,
    hasPage: livePage !== undefined,
    port: (http.address() as AddressInfo).port,
    async stop() {
      stopping = true
      let outOfTime = timeLimit(STORE_CLOSE_MS)
      gateway.refuse()
      ticker.stop()
      tracker.stop()
      try {
        // Save first, so that an error while the connections are closed does not lose users.
        await withTimeLimit(store.save())
      } catch (error) {
        if (error instanceof DiskHangs) outOfTime = Promise.resolve()
        throw error
      } finally {
        await gateway.closeAll()
        await closed(http)
        // If the disk hangs, `close` never resolves. Stopping without it has the same effect as a crash.
        await Promise.race([store.close(), outOfTime])
      }
    },
  }
}

/** Resolves after `ms`. Does not keep the process alive. */
function timeLimit(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms).unref())
}

/** The last save took too long. The stop then does not wait for other calls of the disk. */
class DiskHangs extends Error {
  override readonly name = 'DiskHangs'
}

/** Waits for the last save. @throws DiskHangs when it takes longer than LAST_SAVE_MS */
function withTimeLimit(save: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const text = `the disk did not finish the last save within ${LAST_SAVE_MS / 1_000} s`
    const timer = setTimeout(() => reject(new DiskHangs(text)), LAST_SAVE_MS)
    save.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** The live page, if it is switched on. The page is optional: if it was not built, log that and continue. */
function livePageOf(settings: Settings, log: Log): LivePage | 'not built' | undefined {
  const { DASHBOARD, ENVIRONMENT } = settings
  if ((DASHBOARD ?? (ENVIRONMENT === 'development' ? 'on' : 'off')) === 'off') return undefined
  const page = readLivePage(BUILT_PAGE)
  if (page && ENVIRONMENT === 'production' && isOpen(settings)) {
    log.info(
      'the live page asks for API_KEY, but /ws does not: every client that can connect sees all users, so put /ws behind a proxy that authenticates clients',
    )
  }
  if (!page) log.info('there is no live page: it was not built')
  return page ?? 'not built'
}

/** Creates an id for this run of the server: 40 random bits, as letters and digits. */
function newEpoch(): string {
  return Number.parseInt(randomBytes(5).toString('hex'), 16).toString(36)
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

/** Resolves when every connection has ended, at the latest after CLIENTS_CLOSE_MS. */
function closed(http: HttpServer): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, CLIENTS_CLOSE_MS)
    http.close(() => {
      clearTimeout(timer)
      resolve()
    })
    http.closeIdleConnections()
  })
}
