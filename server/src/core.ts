import { randomBytes } from 'node:crypto'
import { MAX_MESSAGE_BYTES, MAX_USER_IDS, type UserId } from '@who-is-online/protocol/words'
import { type Capacity, capacityOf } from './capacity.ts'
import { ClusterFeed } from './changes/cluster-feed.ts'
import type { ChangeFeed } from './changes/feed.ts'
import { ChangeReader } from './changes/reader.ts'
import { createRedisStream } from './changes/redis-stream.ts'
import { changesOfRestart, startsOf } from './changes/restart.ts'
import { SharedChanges } from './changes/shared-changes.ts'
import { StoredFeed } from './changes/stored-feed.ts'
import type { LogSource, StoredLog } from './changes/stored-log.ts'
import type { Question } from './cluster/log.ts'
import type { ClusterNode } from './cluster/node.ts'
import { presentNow } from './cluster/present-now.ts'
import { createSingleLog } from './cluster/single.ts'
import { clusterHealth, clusterReport } from './cluster-report.ts'
import { CountHistory } from './count-history.ts'
import { Gateway } from './gateway/gateway.ts'
import { type Health, readiness } from './http/health.ts'
import type { Identity } from './identity/identity.ts'
import type { Log } from './log.ts'
import { type DroppedLines, Metrics } from './metrics.ts'
import type { EndedSession } from './presence/change.ts'
import { UNPACED } from './presence/pace.ts'
import { Presence } from './presence/presence.ts'
import { Refusals } from './refusals.ts'
import { Requests } from './requests.ts'
import type { Settings } from './settings.ts'
import { stackOf } from './stack-of.ts'
import type { Store } from './storage/store.ts'
import type { SystemClock } from './time/clock.ts'
import { Ticker } from './time/ticker.ts'
import { Tracker } from './tracker.ts'

/** What a core is made of. */
export interface CoreOptions {
  readonly settings: Settings
  readonly identity: Identity
  /** The path of the WebSocket, such as `/ws`. */
  readonly path: string
  /** Whether pages of this server's own host may connect only if its name is known; see `OriginRules.hosts`. */
  readonly mustKnowItsNames: boolean
  readonly store: Store
  readonly clock: SystemClock
  readonly log: Log
  /** How many files the process may have open; `Infinity` if that is unknown. */
  readonly openFiles: number
  /** The number of log lines that each output has lost; `undefined` if the process belongs to an application. */
  readonly droppedLines: (() => DroppedLines) | undefined
  /** The node of a cluster that this server is; `undefined` if it is alone. */
  readonly cluster?: ClusterNode | undefined
  /** Told why the Redis of the cluster can never be used: the process must end. */
  readonly unusable?: (reason: string) => void
}

/** Everything of a server except HTTP: presence, storage, time and WebSocket connections. */
export interface Core {
  readonly presence: Presence
  readonly requests: Requests
  readonly gateway: Gateway
  /** The log of changes, for backends. */
  readonly changes: ChangeReader
  /** The changes that the nodes of a cluster share; `undefined` if the server is alone. */
  readonly sharedChanges: SharedChanges | undefined
  readonly metrics: Metrics
  /** How many users were online in the last 24 hours. */
  readonly counts: CountHistory
  readonly health: Health
  readonly refusals: Refusals
  readonly capacity: Capacity
  readonly tracker: Tracker
  readonly feed: ChangeFeed
  /** See `FactLog.connectionsElsewhere`. */
  readonly connectionsElsewhere: (userId: UserId) => number
  /** See `FactLog.ask`. */
  readonly ask: (userId: UserId) => Question | undefined
  /** Adds a task that is done several times a second, until the server stops. */
  eachTick(task: () => void): void
  /** Begins the restart grace period: clients could not connect until now. */
  begin(): void
  /** Ends a core that nobody could connect to, because the server can't listen. */
  abandon(): Promise<void>
  /**
   * Saves all users, tells all clients to reconnect, closes their connections, waits for `closeServer`, and closes the
   * store. Resolves after at most 10 s.
   *
   * @throws Error when the last save fails or takes more than LAST_SAVE_MS. Everything else is closed nevertheless.
   */
  stop(closeServer: () => Promise<void>): Promise<void>
}

/** The most steps of due work in one tick. More would block the event loop for too long. */
const STEPS_PER_TICK = 8

/** How long a stop waits for the last save, in ms. docs/operating.md has all times of a stop. */
const LAST_SAVE_MS = 6_000

/** How long a stop waits for the store to close, in ms since its begin. It is less than STOP_MS of process.ts. */
const STORE_CLOSE_MS = 9_000

/** How long a stop waits until other nodes have its leased sessions, in ms. If not, they take them over later. */
const HAND_OVER_MS = 500

/** How long a stop waits until the other nodes know, in ms. If Redis is away, they can't. */
const CLUSTER_STOP_MS = 1_000

const DAY_MS = 86_400_000

/** During a longer suspension, in ms, clients may give up their connections and their attempts to connect. */
const NOTICED_MS = 5_000

/**
 * Creates and connects all parts of a server behind HTTP, and starts its time.
 *
 * @throws StoreLocked, StoreDamaged or StoreUnusable from `Store.load`
 */
export async function startCore(options: CoreOptions): Promise<Core> {
  const { settings, identity, path, store, clock, log, cluster } = options
  const records = await store.load()
  const presence = new Presence(
    {
      graceMs: settings.OFFLINE_GRACE_MS,
      restartGraceMs: settings.RESTART_GRACE_MS,
      inactiveGraceMs: settings.INACTIVE_GRACE_MS,
      noticedMs: NOTICED_MS,
      hiddenKeepMs: settings.HIDDEN_KEEP_MS,
      changePace:
        settings.LIMITS === 'off'
          ? UNPACED
          : {
              burst: settings.STATUS_CHANGES_PER_WINDOW,
              everyMs: 30_000 / settings.STATUS_CHANGES_PER_WINDOW,
            },
      maxKnown: settings.MAX_KNOWN_USERS,
      keepMs: settings.KEEP_DAYS * DAY_MS,
    },
    cluster?.log.elsewhere,
  )
  const capacity = capacityOf(settings, options.openFiles)
  if (capacity.warning !== undefined) log.info(capacity.warning)
  const report = (error: unknown): void =>
    log.error('a bug: a listener of changes failed', { error: stackOf(error) })
  const { feed, source, sharedChanges } = createFeed(options, presence, records.log, report)
  const changes = new ChangeReader(presence, feed)
  const { ALL_USERS_LIMIT: allUsersLimit } = settings
  const forgot = (users: number): void =>
    log.info('users who were not seen for KEEP_DAYS were forgotten', { users })
  const ended = ({ userId, sessionId }: EndedSession): void =>
    log.debug('session ended', { userId, sessionId })
  const factLog = cluster?.log ?? createSingleLog(() => clock.awake())
  const tracker = new Tracker({ presence, log: factLog, feed, store, clock, ended, forgot })
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
  if (records.log) {
    const untold = changesOfRestart(
      records.log,
      records.active(),
      userId => presence.see(userId),
      restoredNow,
    )
    for (const [userId, { status, since }] of startsOf([...records.log.changes, ...untold])) {
      presence.begun(userId, status, since)
    }
    feed.append(untold)
    // A change and its record are durable together.
    for (const { userId } of untold) {
      const record = presence.record(userId)
      if (record) store.put(record)
    }
  }
  const restoredAt = clock.awake()
  await store.start(
    () => presence.records(),
    () => presence.knownTime(clock.now()),
    source,
  )

  const refusals = new Refusals()
  const isReady = () => !cluster || sharedChanges?.isReady(cluster.state.isReady) === true
  const gateway = new Gateway({
    tracker,
    requests,
    presence,
    feed,
    clock,
    log,
    identity,
    path,
    limits: capacity.limits,
    isReady,
    connectionsElsewhere: (userId, except) => factLog.connectionsElsewhere(userId, except),
    refusedMs: userId => factLog.refusedMs(userId),
    refusals,
    heartbeat: { pingMs: settings.PING_MS, pongTimeoutMs: settings.PONG_TIMEOUT_MS, random: Math.random },
    origins: {
      allowed: settings.ALLOWED_ORIGINS,
      hosts: options.mustKnowItsNames ? settings.ALLOWED_HOSTS : undefined,
      development: settings.ENVIRONMENT === 'development',
    },
    compression: settings.COMPRESSION === 'on',
    trustProxy: settings.TRUST_PROXY,
    expiredGraceMs: settings.AUTH_EXPIRED_GRACE_MS,
    maxBufferedBytes: settings.MAX_BUFFERED_BYTES,
    maxSubscribedUsers: settings.MAX_WATCHED_USERS,
    maxSubscriptions: settings.MAX_WATCHED_IDS,
    ...(settings.LIMITS === 'off' && { messagesMs: Number.POSITIVE_INFINITY }),
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
  let stopping = false
  const health = {
    get stopping() {
      return stopping
    },
    get store() {
      return store.health()
    },
    get cluster() {
      return cluster && clusterHealth({ ...cluster.state, isReady: isReady() })
    },
  }
  const metrics = new Metrics({
    feed,
    presence,
    gateway,
    store,
    isReady: () => readiness(health).status === 200,
    droppedLines: options.droppedLines,
    refusals,
    clock,
    cluster,
  })

  cluster?.start(
    presentNow(presence, () => clock.now()),
    clusterReport(cluster, log, options.unusable ?? (() => {})),
  )
  const counts = new CountHistory(() => presence.onlineCount, clock.steady())
  const tasks: (() => void)[] = []
  const ticker = new Ticker(clock, (now, awake) => {
    for (let step = 0; step < STEPS_PER_TICK && tracker.advance(now, awake); step++);
    gateway.advance(awake)
    counts.advance(clock.steady())
    sharedChanges?.advance()
    for (const task of tasks) task()
  })
  ticker.start()

  return {
    presence,
    requests,
    gateway,
    changes,
    sharedChanges,
    metrics,
    counts,
    health,
    refusals,
    capacity,
    tracker,
    feed,
    connectionsElsewhere: userId => factLog.connectionsElsewhere(userId),
    ask: userId => factLog.ask(userId),
    eachTick: task => void tasks.push(task),
    begin: () => tracker.leaveOut(clock.awake() - restoredAt),
    async abandon() {
      ticker.stop()
      await cluster?.close()
      await Promise.race([store.close(), timeLimit(LAST_SAVE_MS)])
    },
    async stop(closeServer) {
      stopping = true
      let outOfTime = timeLimit(STORE_CLOSE_MS)
      gateway.refuse()
      tracker.handOver()
      const handedOver = cluster?.handOver()
      if (handedOver) await Promise.race([handedOver, timeLimit(HAND_OVER_MS)])
      tracker.stop()
      // Clients connect to other nodes when they are told, so the others must know before.
      const told = cluster?.stop().then(() => sharedChanges?.stop())
      if (told) await Promise.race([told, timeLimit(CLUSTER_STOP_MS)])
      // Not before: a clock that is not read for a second takes that for a suspension.
      ticker.stop()
      try {
        // Save first, so that an error while the connections are closed does not lose users.
        await withTimeLimit(store.save())
      } catch (error) {
        if (error instanceof DiskHangs) outOfTime = Promise.resolve()
        throw error
      } finally {
        changes.close()
        await gateway.closeAll()
        await closeServer()
        await cluster?.close()
        // If the disk hangs, `close` never resolves. Stopping without it has the same effect as a crash.
        await Promise.race([store.close(), outOfTime])
      }
    },
  }
}

interface Feed {
  readonly feed: ChangeFeed
  readonly source?: LogSource
  readonly sharedChanges?: SharedChanges
}

/**
 * Creates the feed. That of a single server is stored with the users, for which the store needs its source. That of a
 * node is kept together with the changes that all nodes share.
 */
function createFeed(
  { settings, cluster, store, clock }: CoreOptions,
  presence: Presence,
  stored: StoredLog | undefined,
  report: (error: unknown) => void,
): Feed {
  const kept = { recent: settings.RECENT_CHANGES, report }
  if (cluster) {
    const { log } = cluster
    const feed = new ClusterFeed({ ...kept, places: log })
    const sharedChanges = new SharedChanges({
      feed,
      stream: createRedisStream(cluster),
      standing: () => log.standing,
      learned(changes) {
        for (const [userId, { status, since }] of startsOf(changes)) presence.begun(userId, status, since)
      },
      now: () => clock.steady(),
    })
    return { feed, sharedChanges }
  }
  const feed = new StoredFeed({ ...kept, epoch: newEpoch(), stored, grown: () => store.logGrown() })
  return { feed, source: feed }
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

/** Creates an id for this run of the server: 40 random bits, as letters and digits. */
function newEpoch(): string {
  return Number.parseInt(randomBytes(5).toString('hex'), 16).toString(36)
}
