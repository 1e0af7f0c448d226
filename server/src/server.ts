import { randomBytes } from 'node:crypto'
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { MAX_MESSAGE_BYTES, MAX_USER_IDS } from '@who-is-online/protocol/words'
import { capacityOf } from './capacity.ts'
import { MemoryFeed } from './changes/memory-feed.ts'
import { createSingleLog } from './cluster/single.ts'
import { Gateway } from './gateway/gateway.ts'
import { openIdentity } from './gateway/identity.ts'
import { createApp } from './http/app.ts'
import { BUILT_PAGE, type LivePage, readLivePage } from './http/live-page.ts'
import type { Log } from './log.ts'
import { type DroppedLines, Metrics } from './metrics.ts'
import { OBSERVER_ID } from './observer.ts'
import { UNPACED } from './presence/pace.ts'
import { Presence } from './presence/presence.ts'
import { Requests } from './requests.ts'
import type { Settings } from './settings.ts'
import type { Store } from './storage/store.ts'
import type { SystemClock } from './time/clock.ts'
import { Ticker } from './time/ticker.ts'
import { Tracker } from './tracker.ts'

export interface ServerOptions {
  readonly settings: Settings
  readonly store: Store
  readonly clock: SystemClock
  readonly log: Log
  readonly version: string
  /** How many files the process may have open; Infinity where that is not known. */
  readonly openFiles: number
  /** Log lines that did not reach an output since the start, by output. */
  readonly droppedLines: () => DroppedLines
}

export interface Server {
  readonly host: string | undefined
  readonly port: number
  /** Saves, tells all clients to come back, and ends. Resolves when nothing runs any more. */
  stop(): Promise<void>
}

/** How many steps of due work one tick may take before others get a turn. */
const STEPS_PER_TICK = 8

/** How long the last save may take: a disk that hangs must not keep the process from stopping within 10 s. */
const LAST_SAVE_MS = 6_000

/** How long clients may take to answer the goodbye of a stop. */
const GOODBYE_MS = 2_500

/** How long a stop may wait for the disk in all: the process ends within 10 s, whatever the disk does. */
const STOP_MS = 9_000

const DAY_MS = 86_400_000

/** From how long a suspension on a client may have given up its connection, or an attempt to connect. */
const NOTICED_MS = 5_000

/** Puts the house together and opens the door. @throws when the port or the store can't be had. */
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
  const { ALL_USERS_LIMIT: allUsersLimit } = settings
  const forgot = (users: number): void =>
    log.info('users who were not seen for KEEP_DAYS were forgotten', { users })
  const tracker = new Tracker({ presence, log: createSingleLog(), feed, store, clock, forgot })
  const requests = new Requests({ presence, tracker, feed, clock, allUsersLimit })
  // Read before presence listens: what the clock did while the store was loading does not matter to it. From here on it
  // does: a jump while the store starts would count as time that passed, and users would be forgotten.
  const restoredNow = clock.now()
  clock.listen({
    suspended(ms, now) {
      tracker.suspended(ms, now)
      log.info('this process was suspended; that time counts against nobody', { ms })
    },
    jumped(ms, now) {
      tracker.jumped(ms, now)
      log.info('the wall clock was set; times follow it, durations do not', { ms })
    },
    corrected: ms => tracker.leaveOut(ms),
  })
  presence.restore(records, restoredNow, records)
  const restoredAt = clock.awake()
  await store.start(
    () => presence.records(),
    () => presence.knownTime(clock.now()),
  )

  const gateway = new Gateway({
    tracker,
    requests,
    presence,
    feed,
    clock,
    log,
    identity: openIdentity,
    limits,
    heartbeat: { pingMs: settings.PING_MS, pongTimeoutMs: settings.PONG_TIMEOUT_MS, random: Math.random },
    origins: { allowed: settings.ALLOWED_ORIGINS, development: settings.ENVIRONMENT === 'development' },
    compression: settings.COMPRESSION === 'on',
    trustProxy: settings.TRUST_PROXY,
    maxBufferedBytes: settings.MAX_BUFFERED_BYTES,
    maxSubscribedUsers: settings.MAX_WATCHED_USERS,
    maxSubscriptions: settings.MAX_WATCHED_IDS,
    allUsersLimit,
    observer: livePage && OBSERVER_ID,
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

  const http = createServer(
    {
      headersTimeout: 5_000,
      requestTimeout: 10_000,
      // How often Node looks at the two before; its own default would make 35 s of 5.
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 16 * 1024,
    },
    createApp({
      health,
      metrics,
      log,
      version,
      livePage,
      apiKey: settings.API_KEY,
    }),
  )
  if (Number.isFinite(sockets)) http.maxConnections = sockets
  gateway.attach(http)

  const ticker = new Ticker(clock, (now, awake) => {
    for (let step = 0; step < STEPS_PER_TICK && tracker.advance(now, awake); step++);
    gateway.advance(awake)
  })
  ticker.start()

  try {
    await listen(http, settings.PORT, settings.HOST)
    // Until here nobody could come back, so the restart grace begins here.
    tracker.leaveOut(clock.awake() - restoredAt)
  } catch (error) {
    ticker.stop()
    await Promise.race([store.close(), timeLimit(LAST_SAVE_MS)])
    throw error
  }

  return {
    host: settings.HOST,
    port: (http.address() as AddressInfo).port,
    async stop() {
      stopping = true
      let outOfTime = timeLimit(STOP_MS)
      gateway.refuse()
      ticker.stop()
      tracker.stop()
      try {
        // First of all: whatever happens to the goodbyes, nobody is forgotten.
        await withinReason(store.save())
      } catch (error) {
        if (error instanceof DiskHangs) outOfTime = Promise.resolve()
        throw error
      } finally {
        await gateway.closeAll()
        await closed(http)
        // A disk that hangs answers nothing. What is not closed then is like after a crash: nothing stored is lost.
        await Promise.race([store.close(), outOfTime])
      }
    },
  }
}

/** Resolves after a while, without keeping the process alive for it. */
function timeLimit(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms).unref())
}

/** The last save was given up: whatever else waits for the disk now is not waited for. */
class DiskHangs extends Error {
  override readonly name = 'DiskHangs'
}

/** The save. @throws DiskHangs when it takes too long */
function withinReason(save: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const patience = setTimeout(() => reject(new DiskHangs('the disk takes too long')), LAST_SAVE_MS)
    save.then(resolve, reject).finally(() => clearTimeout(patience))
  })
}

/** The live page, where it is to be seen. Without it the server does all it is for, so that it lacks is no more than said. */
function livePageOf({ DASHBOARD, ENVIRONMENT }: Settings, log: Log): LivePage | undefined {
  if ((DASHBOARD ?? (ENVIRONMENT === 'development' ? 'on' : 'off')) === 'off') return undefined
  const page = readLivePage(BUILT_PAGE)
  if (page && ENVIRONMENT === 'production') {
    log.info(
      'the live page asks for API_KEY; /ws does not, and shows everybody to whoever can connect: keep it behind something that asks who that is',
    )
  }
  if (!page) log.info('there is no live page: it was not built')
  return page
}

/** A name that no other life of this server has had: 40 random bits, as letters and digits. */
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

/** Resolves when every connection has ended, on its own or after a while by force. */
function closed(http: HttpServer): Promise<void> {
  return new Promise(resolve => {
    const patience = setTimeout(resolve, GOODBYE_MS)
    http.close(() => {
      clearTimeout(patience)
      resolve()
    })
    http.closeIdleConnections()
  })
}
