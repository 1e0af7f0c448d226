import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ChangeFeed } from '../../changes/feed.ts'
import { newFeed } from '../../changes/testing/new-feed.ts'
import type { FactLog } from '../../cluster/log.ts'
import { createSingleLog } from '../../cluster/single.ts'
import type { Identity } from '../../identity/identity.ts'
import { openIdentity } from '../../identity/open.ts'
import { Presence } from '../../presence/presence.ts'
import { AT_ONCE } from '../../presence/testing/options.ts'
import { Refusals } from '../../refusals.ts'
import { Requests } from '../../requests.ts'
import { createMemoryStore } from '../../storage/memory.ts'
import { type Clock, SystemClock } from '../../time/clock.ts'
import { Tracker } from '../../tracker.ts'
import { Gateway } from '../gateway.ts'
import { type LimitOptions, UNLIMITED } from '../limits.ts'
import { TERMS } from './terms.ts'

/** A gateway in this process, with real sockets and a memory store. */
export interface OpenGateway {
  readonly presence: Presence
  readonly tracker: Tracker
  readonly feed: ChangeFeed
  readonly clock: Clock
  readonly gateway: Gateway
  readonly http: Server
  /** `ws://127.0.0.1:PORT/ws` */
  readonly url: string
  /** The errors that were logged. */
  readonly errors: unknown[]
}

export async function openGateway({
  compression = false,
  maxBufferedBytes = 1_000_000,
  clock = new SystemClock(Date.now, () => performance.now()),
  identity = openIdentity(undefined) as Identity,
  pingMs = 60_000,
  limits = UNLIMITED as LimitOptions,
  messagesMs = undefined as number | undefined,
  factLog = createSingleLog() as FactLog,
} = {}): Promise<OpenGateway> {
  const presence = new Presence({ ...AT_ONCE, maxKnown: 1_000 })
  const feed = newFeed(1_000)
  const store = createMemoryStore()
  await store.load()
  await store.start(() => presence.records())
  const allUsersLimit = 1_000
  const tracker = new Tracker({
    presence,
    log: factLog,
    feed,
    store,
    clock,
    ended() {},
    forgot() {},
  })
  const requests = new Requests({ presence, tracker, feed, clock, allUsersLimit })
  const errors: unknown[] = []
  const ignore = () => {}
  const gateway = new Gateway({
    tracker,
    requests,
    presence,
    feed,
    clock,
    identity,
    path: '/ws',
    log: {
      error: (_text, fields) => errors.push(fields?.['error']),
      info: ignore,
      debug: ignore,
      limited: ignore,
      once: ignore,
    },
    limits,
    isReady: () => true,
    connectionsElsewhere: userId => factLog.connectionsElsewhere(userId),
    refusedMs: userId => factLog.refusedMs(userId),
    refusals: new Refusals(),
    heartbeat: { pingMs, pongTimeoutMs: 60_000, random: () => 1 },
    compression,
    origins: { allowed: [], hosts: [], development: true },
    trustProxy: undefined,
    maxBufferedBytes,
    maxSubscribedUsers: 1_000,
    maxSubscriptions: 10_000,
    allUsersLimit,
    terms: TERMS,
    expiredGraceMs: 300_000,
    messagesMs,
  })
  const http = createServer()
  gateway.attach(http)
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}/ws`
  return { presence, tracker, feed, clock, gateway, http, url, errors }
}
