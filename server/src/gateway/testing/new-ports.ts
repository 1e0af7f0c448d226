import type { MemoryFeed } from '../../changes/memory-feed.ts'
import { Hub } from '../../fanout/hub.ts'
import { SharedAnswers } from '../../fanout/shared-answers.ts'
import { Subscriptions } from '../../fanout/subscriptions.ts'
import { Traffic } from '../../fanout/traffic.ts'
import { Turns } from '../../fanout/turns.ts'
import { openIdentity } from '../../identity/open.ts'
import type { Presence } from '../../presence/presence.ts'
import { Refusals } from '../../refusals.ts'
import { Requests } from '../../requests.ts'
import type { Clock } from '../../time/clock.ts'
import type { Tracker } from '../../tracker.ts'
import type { Connection, ConnectionPorts } from '../connection.ts'
import { Debts } from '../debts.ts'
import { Heartbeat } from '../heartbeat.ts'
import { UNLIMITED } from '../limits.ts'
import { MessageTurns } from '../message-turns.ts'
import { TERMS } from './terms.ts'

/** What the ports of a test are made of. */
export interface Parts {
  readonly presence: Presence
  readonly feed: MemoryFeed
  readonly tracker: Tracker
  readonly clock: Clock
}

/** How many users a list, a diff or a subscription of a test may have. */
const MAX_USERS = 100

/** Makes what all connections of a test share: no limits, no log, and user ids that are believed. */
export function newPorts(
  { presence, feed, tracker, clock }: Parts,
  what: Partial<ConnectionPorts> = {},
): ConnectionPorts {
  const subscriptions = new Subscriptions(presence, feed, MAX_USERS)
  return {
    presence,
    feed,
    tracker,
    requests: new Requests({ presence, tracker, feed, clock, allUsersLimit: MAX_USERS }),
    subscriptions,
    hub: new Hub(subscriptions),
    heartbeat: new Heartbeat<Connection>({ pingMs: 1, pongTimeoutMs: 1, random: () => 0 }),
    clock,
    log: { error() {}, info() {}, debug() {}, limited() {}, once() {} },
    limits: UNLIMITED,
    terms: TERMS,
    gone() {},
    turns: new Turns(),
    traffic: new Traffic(),
    maxSubscribedUsers: MAX_USERS,
    allUsersLimit: MAX_USERS,
    maxBufferedBytes: 1e6,
    highWaterMark: 1e5,
    shared: new SharedAnswers(),
    slow: new Set(),
    tooFast: new Set(),
    messageTurns: new MessageTurns(clock, Number.POSITIVE_INFINITY),
    debts: new Debts(),
    refusals: new Refusals(),
    identity: openIdentity(undefined),
    expiredGraceMs: 0,
    ...what,
  }
}
