import { formatTime } from '@who-is-online/protocol/encode'
import type { UserId } from '@who-is-online/protocol/words'
import type { Answers, Question } from '../../cluster/log.ts'
import type { Log } from '../../log.ts'
import type { Explanation, UserDetail } from '../../presence/explain.ts'
import type { LeaseRefusal } from '../../presence/lease.ts'
import type { Presence } from '../../presence/presence.ts'
import type { SessionInfo } from '../../presence/user-part.ts'
import type { Tracker } from '../../tracker.ts'
import { asUser } from '../../user-json.ts'
import type { CallHandlers } from './call.ts'
import { isConfirmed } from './confirmed.ts'
import { ApiFailure, stopping } from './failure.ts'

/** Where the calls about sessions read and write. */
export interface SessionSources {
  readonly presence: Pick<Presence, 'part' | 'explain'>
  readonly tracker: Pick<Tracker, 'lease' | 'endSession' | 'canEnd'>
  readonly log: Pick<Log, 'info'>
  /** The name of this node. */
  readonly node: string
  /** Asks the other nodes about a user; see `FactLog.ask`. */
  readonly ask: (userId: UserId) => Question | undefined
}

type SessionCall = 'getSessions' | 'explainUser' | 'leaseSession' | 'endSession'

/** The calls about the sessions of a user, on the presence of this server. */
export function createSessionCalls(sources: SessionSources): Pick<CallHandlers, SessionCall> {
  const { presence, tracker, log, node, ask } = sources
  const sessionsOf = (userId: UserId, { parts }: Answers = NOBODY) => [
    ...presence.part(userId).sessions.map(session => asJson(session, node)),
    ...parts.flatMap(({ node, part }) => part.sessions.map(session => asJson(session, node))),
  ]
  return {
    async getSessions({ userId }) {
      const answers = await answersTo(ask(userId))
      const sessions = sessionsOf(userId, answers)
      return { status: 200, json: JSON.stringify({ sessions, incomplete: incompleteIn(answers) }) }
    },

    async explainUser({ userId }, { caller }) {
      log.info('a key of the API asked why a user shows as they do', { key: caller.name, userId })
      const answers = await answersTo(ask(userId))
      const { parts, missing } = answers
      const explained = presence.explain(userId, {
        parts: parts.map(({ part }) => part),
        isWhole: missing.length === 0,
      })
      const json = explanationAsJson(explained, sessionsOf(userId, answers), incompleteIn(answers))
      return { status: 200, json: JSON.stringify(json) }
    },

    async leaseSession({ userId, sessionId, ttlMs, device, activity, username }, { caller }) {
      const leased = tracker.lease({ userId, sessionId }, { ttlMs, device, activity, username })
      if (typeof leased === 'string') throw refusal(leased)
      // A renewal is no news, and comes again and again.
      if (leased.isNew) {
        log.info('a key of the API leased a session', { key: caller.name, userId, sessionId })
      }
      const session = sessionsOf(userId).find(session => session.sessionId === sessionId)
      const status = (await isConfirmed(leased.placed)) ? 200 : 202
      return { status, json: JSON.stringify(session) }
    },

    async endSession({ userId, sessionId }, { caller }) {
      checkRoom(tracker)
      const ended = tracker.endSession({ userId, sessionId })
      log.info('a key of the API ended a session', { key: caller.name, userId, sessionId })
      return { status: (await isConfirmed(ended)) ? 204 : 202 }
    },
  }
}

/**
 * Checks whether sessions can be ended.
 *
 * @throws ApiFailure `unavailable` if too much waits for Redis
 */
export function checkRoom({ canEnd }: Pick<Tracker, 'canEnd'>): void {
  if (canEnd) return
  const text = '10,000 users and sessions wait to be ended until Redis answers: try again later'
  throw new ApiFailure('unavailable', text, { retryAfterS: 5 })
}

/** What is answered if nobody has to be asked. */
const NOBODY: Answers = { parts: [], missing: [] }

/** What the other nodes answer within 2 s. */
async function answersTo(question: Question | undefined): Promise<Answers> {
  if (!question) return NOBODY
  await isConfirmed(question.answered)
  return question.end()
}

/** The nodes that may have more sessions of the user. */
function incompleteIn({ parts, missing }: Answers): readonly string[] {
  return [...missing, ...parts.filter(({ isCut }) => isCut).map(({ node }) => node)]
}

/** What decides whether to push a notification, as the field of a user. */
export function detailAsJson({ lastActive, ...detail }: UserDetail): object {
  return { ...detail, lastActive: lastActive === null ? null : formatTime(lastActive) }
}

function refusal(refused: LeaseRefusal): ApiFailure {
  switch (refused) {
    case 'connected':
      return new ApiFailure(
        'session_connected',
        'a client is connected with this session id: use another one',
      )
    case 'tooManyOfUser':
      return new ApiFailure('too_many_sessions', 'the user has 20 leased sessions: end one of them first')
    case 'tooMany':
      return new ApiFailure('too_many_sessions', 'this server has 100,000 leased sessions')
    case 'refused':
      return new ApiFailure('user_refused', 'the user may not connect for a while: see "forMs"')
    case 'stopping':
      return stopping()
  }
}

function asJson({ sessionId, kind, device, ...session }: SessionInfo, node: string) {
  const { connectedAt, lastAliveAt, active, visible, leaseEndsAt } = session
  return {
    sessionId,
    kind,
    device,
    node,
    connectedAt: formatTime(connectedAt),
    lastAliveAt: formatTime(lastAliveAt),
    active,
    visible,
    leaseEndsAt: leaseEndsAt === undefined ? undefined : formatTime(leaseEndsAt),
  }
}

function explanationAsJson(
  explanation: Explanation,
  sessions: readonly object[],
  incomplete: readonly string[],
): object {
  const { shown, reason, hidden, graces, choice, choiceKeptUntil, delayed } = explanation
  const { status, text, expiresAt, chosenAt } = choice
  const time = (at: number | undefined) => (at === undefined ? undefined : formatTime(at))
  return {
    shown: asUser(shown),
    reason,
    hidden,
    sessions,
    graces: graces.map(({ sessionId, endsAt }) => ({ sessionId, endsAt: formatTime(endsAt) })),
    choice: { status, text, expiresAt: time(expiresAt), chosenAt: time(chosenAt) },
    choiceKeptUntil: time(choiceKeptUntil),
    delayed: delayed && { status: delayed.status, until: formatTime(delayed.until) },
    incomplete,
  }
}
