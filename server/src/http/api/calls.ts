import { PAGE_LIMIT } from '@who-is-online/protocol/api'
import type { Status, UserId } from '@who-is-online/protocol/words'
import type { ChangeFeed } from '../../changes/feed.ts'
import type { ChangeReader } from '../../changes/reader.ts'
import type { CountHistoryView } from '../../count-history.ts'
import { Slices } from '../../fanout/slices.ts'
import type { Log } from '../../log.ts'
import { cursorOf, placeOf } from '../../presence/page-cursor.ts'
import type { Presence } from '../../presence/presence.ts'
import type { Refusals } from '../../refusals.ts'
import type { Clock } from '../../time/clock.ts'
import type { Tracker } from '../../tracker.ts'
import { userItem, userList } from '../../user-json.ts'
import type { ApiCaller } from './access.ts'
import type { CallHandlers } from './call.ts'
import { changeCalls } from './change-calls.ts'
import { inTime, isConfirmed } from './confirmed.ts'
import { ConnectionCount } from './connection-count.ts'
import { ApiFailure, stopping } from './failure.ts'
import { inSlices } from './in-slices.ts'
import { checkRoom, createSessionCalls, detailAsJson, type SessionSources } from './session-calls.ts'

/** Where the calls read and write. */
export interface ApiSources extends SessionSources {
  readonly presence: Pick<
    Presence,
    'see' | 'page' | 'onlineCount' | 'seenCount' | 'choiceTime' | 'connected' | 'detail'
  > &
    SessionSources['presence']
  readonly tracker: Pick<
    Tracker,
    'setStatusFor' | 'catchUp' | 'endSessions' | 'canRefuse' | 'canEnd' | 'erase'
  > &
    SessionSources['tracker']
  readonly feed: Pick<ChangeFeed, 'epoch' | 'seq'>
  /** The log of changes. */
  readonly changes: ChangeReader
  readonly clock: Pick<Clock, 'now' | 'steady'>
  readonly log: Pick<Log, 'info'>
  readonly refusals: Pick<Refusals, 'count'>
  readonly countHistory: () => CountHistoryView
  /** Sends a test message to each webhook endpoint, and returns what they said. */
  readonly testWebhooks: () => Promise<readonly object[]>
  /** How many connections a user has on the other nodes of the cluster. */
  readonly connectionsElsewhere: (userId: UserId) => number
}

/** How many users are encoded in one piece: less than a millisecond of work. */
const USERS_PER_PIECE = 500

/** For each group of this many users in a query, it counts as one more request. */
const USERS_PER_REQUEST = 1_000

/** The calls, on the presence of this server. */
export function createCalls(sources: ApiSources): CallHandlers {
  const { presence, tracker, feed, clock, log, countHistory, changes } = sources
  const slices = new Slices()
  const connections = new ConnectionCount(sources, slices)
  // Read before the users: a reader that follows the changes from here misses no change.
  const place = () => `"epoch":${JSON.stringify(feed.epoch)},"seq":${feed.seq}`
  const userOf = (userId: UserId) => userItem(presence.see(userId))
  // A key that may see who is hidden is told the truth: a user who looks needs no notification.
  const detailed = (userId: UserId, { right }: ApiCaller) => {
    const detail = detailAsJson(presence.detail(userId, right === 'write'))
    return `${userOf(userId).slice(0, -1)},"detail":${JSON.stringify(detail)}}`
  }
  return {
    ...createSessionCalls(sources),

    getUser: ({ userId }) => ({ status: 200, json: userOf(userId) }),

    async queryUsers({ userIds, detail }, { caller, countMore }) {
      countMore(Math.floor(userIds.length / USERS_PER_REQUEST))
      const start = place()
      const itemOf = detail ? (userId: UserId) => detailed(userId, caller) : userOf
      const pieces: string[] = []
      await inSlices(slices, userIds.length, USERS_PER_PIECE, (from, to) => {
        pieces.push(userIds.slice(from, to).map(itemOf).join(','))
      })
      return { status: 200, json: `{${start},"users":[${pieces.join(',')}]}` }
    },

    listUsers({ status, limit = PAGE_LIMIT, cursor }) {
      const from = cursor === undefined ? undefined : placeOf(cursor)
      if (cursor !== undefined && !from) {
        throw new ApiFailure('bad_cursor', 'unknown "cursor": start again without one', { field: 'cursor' })
      }
      const { users, next } = presence.page(from, limit, status)
      const end = next ? `,"cursor":${JSON.stringify(cursorOf(next))}` : ''
      return { status: 200, json: `{${place()},"users":${userList(users).text}${end}}` }
    },

    async getCount() {
      // Without users who were always hidden.
      const { onlineCount: online, seenCount: known } = presence
      return { status: 200, json: JSON.stringify({ online, connections: await connections.get(), known }) }
    },

    getCountHistory: () => ({ status: 200, json: JSON.stringify(countHistory()) }),

    ...changeCalls(changes, sources.refusals),

    async setStatus({ userId, status, text, expiresAt }, { caller }) {
      const until = expiresAt === undefined ? undefined : Date.parse(expiresAt)
      if (until !== undefined && until <= presence.choiceTime(clock.now())) {
        throw new ApiFailure('bad_request', '"expiresAt" must be in the future', { field: 'expiresAt' })
      }
      const choice = { status: status as Status, text: text || undefined, expiresAt: until }
      let chosen = tracker.setStatusFor(userId, choice)
      if (chosen === 'no_session') {
        // This node may not have read yet that the user has come to another one.
        if ((await inTime(tracker.catchUp(), true)) !== true) throw notKnown()
        chosen = tracker.setStatusFor(userId, choice)
      }
      if (chosen === 'stopping') throw stopping()
      if (chosen === 'no_session') throw noSession()
      log.info('a key of the API set the status of a user', { key: caller.name, userId, status })
      const isSet = await inTime(chosen.isSet, true)
      if (isSet === false) throw noSession()
      return { status: isSet ? 200 : 202, json: userOf(userId) }
    },

    async endSessions({ userId, forMs }, { caller }) {
      checkRoom(tracker)
      if (forMs !== undefined && !tracker.canRefuse(userId)) {
        throw new ApiFailure('too_many_refused', '10,000 users are refused already: try again later')
      }
      const ended = tracker.endSessions(userId, forMs)
      log.info('a key of the API ended the sessions of a user', { key: caller.name, userId, forMs })
      return { status: (await isConfirmed(ended)) ? 204 : 202 }
    },

    async eraseUser({ userId }, { caller }) {
      checkRoom(tracker)
      const erased = tracker.erase(userId)
      // Without the id: a log file may be kept longer than the user.
      log.info('a key of the API erased a user', { key: caller.name })
      return { status: (await isConfirmed(erased)) ? 204 : 202 }
    },

    async testWebhooks(_input, { caller }) {
      log.info('a key of the API tested the webhooks', { key: caller.name })
      return { status: 200, json: JSON.stringify({ endpoints: await sources.testWebhooks() }) }
    },
  }
}

function notKnown(): ApiFailure {
  return new ApiFailure('unavailable', 'it is not known whether the user has a session: nothing was set', {
    retryAfterS: 1,
  })
}

function noSession(): ApiFailure {
  return new ApiFailure(
    'no_session',
    'the user has no session: nothing was set. With "expiresAt", a status can be set before the user connects',
  )
}
