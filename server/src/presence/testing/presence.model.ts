import type { ShownStatus as Shown, UserId } from '@who-is-online/protocol/words'
import type { Choice, FirstChoice } from '../choice.ts'
import type { Cause } from '../fact.ts'
import type { PresenceOptions } from '../options.ts'

/**
 * A second, slow implementation of the rules of presence. It keeps one list of all events, and reads the list
 * from its beginning for each question. presence.game.ts compares the core with it.
 */

export type Event =
  | {
      readonly what: 'open'
      readonly userId: UserId
      readonly id: string
      readonly named: boolean
      readonly username: string | undefined
      readonly choice: FirstChoice | undefined
      readonly at: number
    }
  | {
      readonly what: 'lease'
      readonly userId: UserId
      readonly id: string
      readonly ttlMs: number
      readonly isIdle: boolean | undefined
      readonly username: string | undefined
      readonly at: number
    }
  | {
      readonly what: 'leave' | 'lose' | 'endSession'
      readonly userId: UserId
      readonly id: string
      readonly at: number
    }
  /** All sessions of the user end at once. */
  | { readonly what: 'endSessions'; readonly userId: UserId; readonly at: number }
  | { readonly what: 'heard'; readonly userId: UserId; readonly at: number }
  | { readonly what: 'choose'; readonly userId: UserId; readonly choice: Choice; readonly at: number }
  | {
      readonly what: 'activity'
      readonly userId: UserId
      readonly id: string
      readonly isIdle: boolean
      /** When an active session becomes idle, in ms since the epoch. */
      readonly activeUntil: number
      readonly at: number
    }
  | {
      readonly what: 'visibility'
      readonly userId: UserId
      readonly id: string
      readonly isInactive: boolean
    }
  | { readonly what: 'identify'; readonly userId: UserId; readonly username: string }
  /** The change became visible to others. Only its time is taken from the core, after it was checked. */
  | { readonly what: 'shown'; readonly userId: UserId; readonly at: number }
  | { readonly what: 'forgotten'; readonly userId: UserId }
  /**
   * These concern all users. `advance`: the core was asked to advance. `suspension`: the process was
   * suspended. `jump`: the wall clock was set. `restart`: the next process starts. `knownTime` is a lower
   * bound of the real time, `latestTime` the latest time that the wall clock has shown. `isFromOld`: the
   * records come from an older version of the server.
   */
  | { readonly what: 'advance'; readonly at: number; readonly knownTime: number }
  | { readonly what: 'suspension'; readonly ms: number; readonly at: number }
  | { readonly what: 'jump'; readonly ms: number; readonly at: number; readonly knownTime: number }
  | {
      readonly what: 'restart'
      readonly at: number
      readonly knownTime: number
      readonly latestTime: number
      readonly isFromOld: boolean
    }

interface ModelSession {
  readonly id: string
  readonly named: boolean
  readonly isIdle: boolean
  /** When an active session becomes idle, in ms since the epoch; Infinity if that has no time. */
  readonly activeUntil: number
  readonly isInactive: boolean
  /** When the session ends, in ms since the epoch; Infinity for a live session. */
  readonly until: number
  /** Whether it has no connection, and a backend renews it. And when it was opened, in ms since the epoch. */
  readonly isLeased: boolean
  readonly openedAt: number
}

interface View {
  readonly status: Shown
  readonly text: string | undefined
  readonly expiresAt: number | undefined
}

/** The state of one user after all events. Times are in ms since the epoch. */
export interface UserState {
  known: boolean
  sessions: ModelSession[]
  choice: Choice
  /** When the user last made a choice; 0 if that is not known. */
  chosenAt: number
  /**
   * Until when `chosenAt`, and the choice to be hidden, are kept for a user without a session; 0 if they are
   * not.
   */
  keptUntil: number
  /** What others see, and what they should see by the rule of presence. */
  shown: View
  due: View
  /** Whether `shown` and `due` differ, or a name waits, and the cause of the change that will follow. */
  isPending: boolean
  cause: Cause
  lastSeen: number | null
  username: string | undefined
  /** A name that others do not see yet. */
  newName: string | undefined
  /** Whether others have ever seen the user. */
  wasSeen: boolean
  /** How far the clock was ahead when it wrote `lastSeen`, in ms, as far as that is known. */
  aheadMs: number | undefined
  /** What is stored as `lastSeen`. It is not behind the right time, if that is known. */
  storedLastSeen: number | null
  /** Whether the choice ends by the wall clock, although that clock is ahead. */
  isByWall: boolean
  /** By how much the end of the choice is delayed, in ms: the wall clock seems to be ahead by that much. */
  ahead: number
  /** By how much the wall clock seems to be ahead, in ms. */
  clockAhead: number
}

/** A difference up to this does not mean that the clock is wrong, in ms. */
const TOLERANCE_MS = 5_000

/** A clock that was wrong is believed when it has not jumped for this time, in ms. */
export const BELIEVE_MS = 3_600_000

/** The longest time for which a session can be leased, in ms. */
const MAX_TTL_MS = 3_600_000

/** If the clock says at a start that no server ran for longer than this, it may be ahead. In ms. */
const ABSENCE_MS = 86_400_000

export class Model {
  readonly #events: Event[] = []
  readonly #options: PresenceOptions
  /** The states that were derived since the last event. */
  readonly #cache = new Map<UserId, UserState>()

  constructor(options: PresenceOptions) {
    this.#options = options
  }

  add(event: Event): void {
    this.#events.push(event)
    this.#cache.clear()
  }

  state(userId: UserId): UserState {
    const state = this.#cache.get(userId) ?? this.#derive(userId)
    this.#cache.set(userId, state)
    return state
  }

  #derive(userId: UserId): UserState {
    const { graceMs, restartGraceMs, inactiveGraceMs, noticedMs, hiddenKeepMs } = this.#options
    let { known, sessions, choice, chosenAt, keptUntil, shown, lastSeen, username, newName } = UNKNOWN
    let { wasSeen, isByWall } = UNKNOWN
    let lastSign = Number.NEGATIVE_INFINITY
    /** The sum of all jumps, and the sum at which the clock is right. */
    let jumped = 0
    let right = 0
    /** Whether `right` is estimated from stored times, and since when the clock has been wrong. */
    let isEstimate = false
    let wrongSince = 0
    /**
     * A timestamp that was in the future when the clock was set back. `lastSeen` replaces it. `at` is the sum
     * of jumps at that time, and `undoneAt` the sum at which the clock is where it was before. `jumpedAt` is
     * the time of the last jump.
     */
    let moved:
      | { stamp: number; lastSeen: number; at: number; undoneAt: number; isSure: boolean; isKnown: boolean }
      | undefined
    let jumpedAt = 0
    const moveStampBack = (setBackMs: number, now: number, isSure: boolean, isKnown = false) => {
      if (lastSeen === null || !wasSeen) return
      moved = {
        stamp: lastSeen,
        // If an earlier process has measured the difference, the present clock does not matter.
        lastSeen: isKnown ? lastSeen - setBackMs : Math.min(now, lastSeen - setBackMs),
        at: jumped,
        undoneAt: jumped + setBackMs,
        isSure: isKnown || isSure,
        isKnown,
      }
      lastSeen = moved.lastSeen
    }
    /** The sum of all jumps and suspensions: the wall clock minus steady time. */
    let offset = 0
    /**
     * How the last session ended, which choice and activity others know, and whether the previous choice has
     * expired.
     */
    let end: 'left' | 'lost' | 'kicked' = 'left'
    let shownChoice: Choice = ONLINE
    let shownIdle = false
    let hasExpired = false
    /**
     * The sum of jumps when the clock was wrong and wrote the `lastSeen` of a user who is seen as offline.
     */
    let stampedAt: number | undefined
    /** The sum of jumps after each jump since the start, oldest first. */
    let path: readonly number[] = [0]
    /** Until when clients may still return after a suspension. */
    let returnUntil = Number.NEGATIVE_INFINITY
    const isWrong = () => isEstimate || Math.abs(jumped - right) > TOLERANCE_MS
    const ahead = () => (isWrong() ? Math.max(0, jumped - right) : 0)
    const behind = (then: number) => (isWrong() ? Math.max(0, right - then) : 0)
    const choiceTime = (now: number) => now - (isByWall ? 0 : ahead())
    const choose = (other: Choice, at: number, now: number) => {
      chosenAt = at
      const next = isOver(other, now - ahead()) || isSame(other, ONLINE) ? ONLINE : other
      if (!isSame(next, choice)) {
        hasExpired = false
        isByWall = ahead() > 0 && next.expiresAt !== undefined && next.expiresAt > now
      }
      choice = next
    }
    const awaitReturn = (now: number) => {
      returnUntil = now + restartGraceMs
      sessions = sessions.map(session => ({ ...session, until: Math.max(session.until, returnUntil) }))
    }
    /** A start shows at once what the rate limit delays, with the last sign of life. */
    const isDelayed = () =>
      shown.status === 'offline' &&
      dueView(sessions, choice).status !== 'offline' &&
      lastSign > Number.NEGATIVE_INFINITY
    const stored = () => {
      if (isDelayed()) return lastSign + behind(jumped)
      const isStampedNow = shown.status !== 'offline' && lastSeen === lastSign
      const then = stampedAt ?? (isStampedNow ? jumped : undefined)
      const stamp = moved?.stamp ?? lastSeen
      return stamp === null || then === undefined ? stamp : stamp + behind(then)
    }
    const hasPending = () => {
      const due = dueView(sessions, choice)
      return !isSame(shown, due) || (due.status !== 'offline' && newName !== undefined)
    }
    const rename = (name: string) => {
      newName = name === username ? undefined : name
    }
    const show = (now: number) => {
      const wasVisible = shown.status !== 'offline'
      shown = dueView(sessions, choice)
      if (shown.status !== 'offline') {
        wasSeen = true
        stampedAt = undefined
        ;[username, newName] = [newName ?? username, undefined]
        // A user who becomes visible is seen at this moment.
        if (!wasVisible) lastSign = Math.max(lastSign, now)
      } else if (wasVisible) {
        stampedAt = isWrong() && lastSign === lastSeen ? jumped : undefined
      }
    }
    for (const event of this.#events) {
      if ('userId' in event && event.userId !== userId) continue
      const isHere = sessions.length > 0 || shown.status !== 'offline'
      switch (event.what) {
        case 'open': {
          if (sessions.length === 0 && isOver(choice, choiceTime(event.at))) {
            ;[choice, hasExpired] = [ONLINE, true]
            if (keptUntil === 0 && !isHere) chosenAt = 0
          }
          // A session replaces the session of the same name. Otherwise it replaces the unnamed session that
          // was lost first: the client is back.
          const own = event.named ? sessions.find(({ id }) => id === event.id) : undefined
          const lost = sessions.filter(isLost).filter(({ named, isLeased }) => !named && !isLeased)
          const place = own ?? lost.sort((a, b) => a.until - b.until)[0]
          const { id, named } = event
          const { isIdle = false, activeUntil = Infinity } = place ?? {}
          const session = {
            id,
            named,
            isIdle,
            activeUntil,
            isInactive: false,
            until: Infinity,
            isLeased: false,
            openedAt: event.at,
          }
          sessions = [...sessions.filter(session => session !== place), session]
          known = true
          lastSeen ??= event.at
          lastSign = event.at
          if (event.username !== undefined) rename(event.username)
          if (event.choice) {
            const { madeAt = event.at, ...first } = event.choice
            // The newer of two choices counts. A time in the future proves nothing.
            const isAgain = madeAt === chosenAt && choice === ONLINE
            const isNewer = madeAt <= event.at + TOLERANCE_MS ? madeAt > chosenAt : chosenAt === 0
            const isKnown = isAgain || isNewer
            if (event.choice.madeAt === undefined) choose(first, later(event.at, chosenAt), event.at)
            else if (isKnown) choose(first, Math.min(madeAt, event.at), event.at)
          }
          break
        }
        case 'lease': {
          if (sessions.length === 0 && isOver(choice, choiceTime(event.at))) {
            ;[choice, hasExpired] = [ONLINE, true]
            if (keptUntil === 0 && !isHere) chosenAt = 0
          }
          // A renewal keeps its place in time. A held session with the same id continues without its connection.
          const before = sessions.find(({ id, named }) => named && id === event.id)
          const session = {
            id: event.id,
            named: true,
            isIdle: event.isIdle ?? before?.isIdle ?? false,
            activeUntil: Infinity,
            isInactive: false,
            until: event.at + event.ttlMs,
            isLeased: true,
            openedAt: before?.isLeased ? before.openedAt : event.at,
          }
          sessions = [...sessions.filter(session => session !== before), session]
          known = true
          lastSeen ??= event.at
          lastSign = event.at
          if (event.username !== undefined) rename(event.username)
          break
        }
        case 'leave':
        case 'endSession':
        case 'endSessions': {
          const before = sessions.length
          if (event.what === 'leave') sessions = without(sessions, event.id)
          else if (event.what === 'endSessions') sessions = []
          else sessions = sessions.filter(({ id }) => id !== event.id)
          if (sessions.length < before) end = event.what === 'endSessions' ? 'kicked' : 'left'
          // Leaving on purpose ends the choice to be hidden, if that has no end.
          if (before > 0 && sessions.length === 0 && isHiding(choice)) choose(ONLINE, 0, event.at)
          break
        }
        case 'lose': {
          const lost = sessions.find(isLive(event.id))
          if (!lost) break
          const held = lost.isInactive ? Math.max(graceMs, inactiveGraceMs) : graceMs
          sessions = [
            ...without(sessions, event.id),
            { ...lost, until: Math.max(event.at + held, returnUntil) },
          ]
          break
        }
        case 'heard':
          if (isHere) lastSign = Math.max(lastSign, event.at)
          break
        case 'choose':
          if (sessions.length > 0) choose(event.choice, later(event.at, chosenAt), event.at)
          else if (isAheadAt({ choice: event.choice, clockAhead: ahead() }, event.at)) {
            // A backend sets it before the user comes.
            known = true
            lastSeen ??= event.at
            const isNear = chosenAt >= event.at && chosenAt <= event.at + TOLERANCE_MS
            choose(event.choice, isNear ? chosenAt + 1 : event.at, event.at)
          }
          break
        case 'activity': {
          const active = sessions.find(isLive(event.id))
          sessions = sessions.map(session =>
            session === active
              ? { ...session, isIdle: event.isIdle, activeUntil: event.activeUntil }
              : session,
          )
          break
        }
        case 'visibility': {
          const live = sessions.find(isLive(event.id))
          sessions = sessions.map(session =>
            session === live ? { ...session, isInactive: event.isInactive } : session,
          )
          break
        }
        case 'identify':
          if (known && event.username !== (newName ?? username)) rename(event.username)
          break
        case 'shown':
          show(event.at)
          break
        case 'forgotten':
          ;({ known, sessions, choice, chosenAt, keptUntil, shown, lastSeen, username, newName } = UNKNOWN)
          ;({ wasSeen, isByWall } = UNKNOWN)
          ;[stampedAt, moved] = [undefined, undefined]
          break
        case 'advance':
          // A clock that was wrong for an hour is believed, and so are the timestamps that it wrote.
          if (isWrong() && event.at - offset - wrongSince >= BELIEVE_MS) {
            ;[right, isEstimate, stampedAt] = [jumped, false, undefined]
          }
          // A clock that was set back an hour ago is believed, so the moved timestamp replaces the old one.
          if (
            moved &&
            event.at - offset - jumpedAt >= BELIEVE_MS &&
            event.at >= event.knownTime - TOLERANCE_MS
          ) {
            moved = undefined
          }
          if (sessions.some(session => session.until <= event.at)) end = 'lost'
          sessions = sessions
            .filter(session => session.until > event.at)
            .map(session => ({ ...session, isIdle: session.isIdle || session.activeUntil <= event.at }))
          if (isOver(choice, choiceTime(event.at))) [choice, hasExpired] = [ONLINE, true]
          if (keptUntil > 0 && keptUntil <= event.at) {
            keptUntil = 0
            if (choice.expiresAt === undefined) [choice, chosenAt] = [ONLINE, 0]
          }
          break
        case 'suspension':
          offset += event.ms
          sessions = sessions.map(delayed(event.ms))
          if (keptUntil > 0) keptUntil += event.ms
          returnUntil += event.ms
          // Clients have noticed the suspension, and return as after a restart.
          if (event.ms >= noticedMs) awaitReturn(event.at)
          break
        case 'jump': {
          const wasOff = isWrong()
          const wasBehind = jumped < right
          offset += event.ms
          wrongSince = event.at - offset
          jumped += event.ms
          jumpedAt = event.at - offset
          const isBack = jumped - right >= -TOLERANCE_MS && (wasBehind || jumped - right <= ABSENCE_MS)
          if (isEstimate && isBack) [right, isEstimate] = [jumped, false]
          isByWall = false
          sessions = sessions.map(delayed(event.ms))
          if (keptUntil > 0) keptUntil += event.ms
          returnUntil += event.ms
          // The machine may have been paused. Clients have noticed that, and return as after a suspension.
          if (event.ms >= noticedMs) awaitReturn(event.at)
          // The `lastSeen` of a present user, if this process wrote it, moves with the clock.
          if (isHere) {
            if (shown.status !== 'offline' && lastSeen === lastSign) lastSeen += event.ms
            lastSign += event.ms
          }
          // A clock that is right again, or back where it was, corrects the `lastSeen` of users who left meanwhile.
          const isNear = (sum: number) => Math.abs(sum - jumped) <= TOLERANCE_MS
          const isRight = wasOff && !isWrong()
          const between = path.some(isNear) ? path.slice(path.findLastIndex(isNear) + 1) : []
          path = [...path.slice(0, path.length - between.length), jumped]
          if (stampedAt !== undefined && lastSeen !== null && (isRight || between.includes(stampedAt))) {
            lastSeen = (moved?.stamp ?? lastSeen) + jumped - stampedAt
            moved = undefined
            stampedAt = jumped
          }
          if (isRight) stampedAt = undefined
          if (moved) {
            const isBehind = event.at < event.knownTime - TOLERANCE_MS
            const wasKnownBehind = event.at - event.ms < event.knownTime - TOLERANCE_MS
            if (moved.isSure && (isBehind || wasKnownBehind)) {
              // A clock that is or was behind does not change what a better clock has moved.
              moved = { ...moved, at: moved.at + event.ms, undoneAt: moved.undoneAt + event.ms }
            } else {
              // A jump forward may be the end of a pause. Only a jump that undoes the set-back shows that the
              // clock was right before.
              const isBack = Math.abs(jumped - moved.undoneAt) <= TOLERANCE_MS
              const isUndone = isBack || (wasKnownBehind && moved.stamp <= event.at)
              if (wasKnownBehind) moved.at = jumped
              // What an earlier process has measured stays, unless it would be in the future.
              const stays = moved.isKnown && moved.stamp - moved.undoneAt + moved.at <= event.at
              const back = moved.undoneAt - (stays ? moved.at : Math.min(jumped, moved.at))
              lastSeen = isUndone ? moved.stamp : Math.min(event.at, moved.stamp - back)
              moved = isUndone ? undefined : { ...moved, lastSeen, isSure: moved.isSure || !isBehind }
            }
          }
          if (event.ms < 0 && (lastSeen ?? 0) > event.at) {
            moveStampBack(-event.ms, event.at, event.at >= event.knownTime - TOLERANCE_MS)
          }
          break
        }
        case 'restart': {
          // A timestamp is stored with the time by which its clock was ahead, unless the clock may be behind
          // instead.
          const isKnownAhead = moved?.isSure && !event.isFromOld && !isDelayed()
          const storedAhead = isKnownAhead && moved ? moved.stamp - moved.lastSeen : 0
          lastSeen = stored()
          lastSign = Number.NEGATIVE_INFINITY
          const wasHidden = choice.status === 'offline'
          if (event.isFromOld) wasSeen = known
          ;[jumped, offset, stampedAt, returnUntil] = [0, 0, undefined, Number.NEGATIVE_INFINITY]
          path = [0]
          const sinceKnown = event.at - event.knownTime
          const aheadMs = sinceKnown < 0 ? sinceKnown : Math.max(0, event.at - event.latestTime)
          isEstimate = aheadMs < -TOLERANCE_MS || aheadMs > ABSENCE_MS
          right = isEstimate ? -aheadMs : 0
          wrongSince = event.at
          moved = undefined
          jumpedAt = event.at
          const setBackMs = event.latestTime - event.at > TOLERANCE_MS ? event.latestTime - event.at : 0
          const isSure = event.at >= event.knownTime - TOLERANCE_MS
          isByWall = false
          if (isOver(choice, choiceTime(event.at))) choice = ONLINE
          if (event.isFromOld) {
            chosenAt = 0
            sessions = sessions.map(session => ({ ...session, isInactive: false }))
            if (!isHere && isHiding(choice)) choice = ONLINE
          }
          const isOnlyLeased = sessions.length > 0 && sessions.every(({ isLeased }) => isLeased)
          const restored = {
            id: 'any',
            named: false,
            isIdle: isIdle(sessions),
            activeUntil: Infinity,
            isInactive: isInactive(sessions),
            until:
              event.at + (isInactive(sessions) ? Math.max(restartGraceMs, inactiveGraceMs) : restartGraceMs),
            isLeased: false,
            openedAt: 0,
          }
          // A backend could not renew a lease while no server ran.
          const leases = sessions
            .filter(({ isLeased }) => isLeased)
            .map(lease => {
              const leftMs = Math.min(Math.max(lease.until - event.at, restartGraceMs), MAX_TTL_MS)
              return { ...lease, until: event.at + leftMs }
            })
          sessions = isHere && !isOnlyLeased ? [restored, ...leases] : leases
          // Others see the same as before, or what the rate limit had delayed.
          shown = isHere && !wasHidden ? { ...OFFLINE, status: 'online' } : OFFLINE
          end = 'lost'
          if (isHere) show(event.at)
          else keptUntil = choice !== ONLINE || chosenAt > 0 ? event.at + hiddenKeepMs : 0
          // Also of a user who was not visible before: the rate limit had delayed that.
          if (storedAhead > 0) moveStampBack(storedAhead, event.at, isSure, true)
          else if (setBackMs > 0 && (lastSeen ?? 0) > event.at) moveStampBack(setBackMs, event.at, isSure)
          break
        }
      }
      const isOffline = sessions.length === 0 && shown.status === 'offline'
      if (!isOffline) keptUntil = 0
      if (isOffline && isHere && 'at' in event) {
        // A user who is offline for others keeps a choice with an end, the choice to be hidden, and for some
        // time the moment of any choice.
        if (choice.expiresAt === undefined && choice.status !== 'offline') choice = ONLINE
        if (event.what !== 'restart' && (choice !== ONLINE || chosenAt > 0))
          keptUntil = event.at + hiddenKeepMs
      }
      if (isOffline && keptUntil === 0 && choice === ONLINE) chosenAt = 0
      if (chosenAt === 0 && choice === ONLINE) keptUntil = 0
      if (shown.status !== 'offline' && lastSign > Number.NEGATIVE_INFINITY) {
        lastSeen = lastSign
        moved = undefined
      }
      if (!hasPending()) [shownChoice, shownIdle, hasExpired] = [choice, isIdle(sessions), false]
      // Others have never seen this user, and nothing has to be kept.
      if (known && !wasSeen && isOffline && choice === ONLINE && chosenAt === 0) {
        ;({ known, keptUntil, lastSeen, username, newName } = UNKNOWN)
        moved = undefined
      }
    }
    const due = dueView(sessions, choice)
    const causeOf = (): Cause => {
      if (due.status === 'offline') return sessions.length > 0 ? 'left' : end
      if (shown.status === 'offline') return 'opened'
      if (!isSame(shownChoice, choice)) return hasExpired ? 'expired' : 'chosen'
      if (shownIdle !== isIdle(sessions)) return shownIdle ? 'active' : 'idle'
      return 'renamed'
    }
    return {
      known,
      sessions,
      choice,
      chosenAt,
      keptUntil,
      shown,
      due,
      isPending: hasPending(),
      cause: causeOf(),
      lastSeen,
      username,
      newName,
      wasSeen,
      aheadMs: moved?.isSure && !isDelayed() ? moved.stamp - moved.lastSeen : undefined,
      storedLastSeen: stored(),
      isByWall,
      ahead: isByWall ? 0 : ahead(),
      clockAhead: ahead(),
    }
  }

  /**
   * The earliest time at which a change of this user becomes visible, and also the latest: by a token bucket
   * that holds `burst` tokens and gets one per `everyMs` of awake time.
   */
  turn(userId: UserId): number {
    const { burst, everyMs } = this.#options.changePace
    if (everyMs === 0) return 0
    let tokens = burst * everyMs
    let since = Number.NEGATIVE_INFINITY
    let offset = 0
    for (const event of this.#events.slice(
      this.#events.findLastIndex(({ what }) => what === 'restart') + 1,
    )) {
      if (event.what === 'suspension' || event.what === 'jump') offset += event.ms
      if (event.what !== 'shown' || event.userId !== userId) continue
      const awake = event.at - offset
      tokens = Math.min(burst * everyMs, tokens + awake - since) - everyMs
      since = awake
    }
    return since + everyMs - tokens + offset
  }

  /**
   * When the core must be advanced next: a session, a choice or a kept choice ends, or a change is allowed.
   */
  nextDue(userIds: readonly UserId[]): number {
    const times = userIds.flatMap(userId => {
      const { sessions, choice, keptUntil, due, isPending, ahead } = this.state(userId)
      const forReturn = due.status === 'offline' ? returnMs(this.#options.changePace) : 0
      return [
        ...sessions.map(({ until }) => until),
        ...sessions.map(({ isIdle, activeUntil }) => (isIdle ? Infinity : activeUntil)),
        (choice.expiresAt ?? Infinity) + ahead,
        keptUntil > 0 ? keptUntil : Infinity,
        isPending ? this.turn(userId) + forReturn : Infinity,
      ]
    })
    return Math.min(...times)
  }
}

export const OFFLINE: View = { status: 'offline', text: undefined, expiresAt: undefined }
export const ONLINE: Choice = { status: 'online' }

const UNKNOWN: UserState = {
  known: false,
  sessions: [],
  choice: ONLINE,
  chosenAt: 0,
  keptUntil: 0,
  shown: OFFLINE,
  due: OFFLINE,
  isPending: false,
  cause: 'opened',
  lastSeen: null,
  username: undefined,
  newName: undefined,
  wasSeen: false,
  aheadMs: undefined,
  storedLastSeen: null,
  isByWall: false,
  ahead: 0,
  clockAhead: 0,
}

/** The rule of presence: what others should see. */
function dueView(sessions: readonly ModelSession[], { status, text, expiresAt }: Choice): View {
  if (sessions.length === 0 || status === 'offline') return OFFLINE
  return { status: status === 'online' && isIdle(sessions) ? 'away' : status, text, expiresAt }
}

/** No deadline counts the time in which the process was suspended, or by which the clock has jumped. */
const delayed =
  (ms: number) =>
  (session: ModelSession): ModelSession => ({
    ...session,
    until: session.until + ms,
    activeUntil: session.activeUntil + ms,
  })
export const isIdle = (sessions: readonly ModelSession[]) =>
  sessions.length > 0 && sessions.every(session => session.isIdle)
/** Two choices in one millisecond have two times. */
const later = (at: number, chosenAt: number) => (at === chosenAt ? at + 1 : at)
export const isInactive = (sessions: readonly ModelSession[]) => sessions.some(session => session.isInactive)
export const isHiding = ({ status, expiresAt }: Choice) => status === 'offline' && expiresAt === undefined
export const isOver = ({ expiresAt }: Choice, now: number) => expiresAt !== undefined && expiresAt <= now
export const isSame = (one: Choice, other: Choice) =>
  one.status === other.status && one.text === other.text && one.expiresAt === other.expiresAt

/**
 * The change to offline waits until there is a token for the return too. A bucket for one token never has
 * two.
 */
export const returnMs = ({ burst, everyMs }: PresenceOptions['changePace']) => (burst > 1 ? everyMs : 0)

export const isLost = (session: { until: number }) => session.until < Infinity
const isLive = (id: string) => (session: { id: string; until: number }) =>
  session.id === id && !isLost(session)
export const isForgettable = ({ sessions, shown, choice, keptUntil }: UserState) =>
  sessions.length === 0 && shown.status === 'offline' && !(keptUntil > 0 && isHiding(choice))

/** Whether a choice, which may be that of the user, has an end that is ahead. */
export const isAheadAt = ({ choice, clockAhead }: Pick<UserState, 'choice' | 'clockAhead'>, now: number) =>
  choice.expiresAt !== undefined && !isOver(choice, now - clockAhead)

export const isKeptHidden = ({ sessions, shown, choice, keptUntil }: UserState) =>
  sessions.length === 0 && shown.status === 'offline' && keptUntil > 0 && isHiding(choice)

/** Removes one live session with this id. Two live sessions may have the same id. */
function without<S extends { id: string; until: number }>(sessions: readonly S[], id: string): S[] {
  const ended = sessions.find(isLive(id))
  return sessions.filter(session => session !== ended)
}
