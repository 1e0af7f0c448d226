import type { Presence as Shown, Status, UserId } from '@who-is-online/protocol/words'
import fc from 'fast-check'
import type { Change, EndedSession, OwnChoice } from '../change.ts'
import type { Choice, FirstChoice } from '../choice.ts'
import type { Cause } from '../fact.ts'
import type { PresenceOptions } from '../options.ts'
import type { Presence } from '../presence.ts'
import type { PresenceRecord } from '../record.ts'
import type { SeenUser } from '../view.ts'
import { OneNode, type Outcome } from './one-node.ts'

/**
 * The rules of presence a second time, told as slowly and plainly as they are written down: one list of all
 * that happened, read from its beginning for every question. `play` holds any `Presence` against it.
 */

type Event =
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
      readonly what: 'leave' | 'lose'
      readonly userId: UserId
      readonly id: string
      readonly at: number
    }
  | { readonly what: 'heard'; readonly userId: UserId; readonly at: number }
  | { readonly what: 'choose'; readonly userId: UserId; readonly choice: Choice; readonly at: number }
  | { readonly what: 'activity'; readonly userId: UserId; readonly id: string; readonly isIdle: boolean }
  | {
      readonly what: 'visibility'
      readonly userId: UserId
      readonly id: string
      readonly isInactive: boolean
    }
  | { readonly what: 'identify'; readonly userId: UserId; readonly username: string }
  /**
   * Others were told. When a change is told is the only thing that is taken from the core, after judging it.
   */
  | { readonly what: 'told'; readonly userId: UserId; readonly at: number }
  | { readonly what: 'forgotten'; readonly userId: UserId }
  /**
   * To everybody: somebody looked at the clock; the process was suspended; the wall clock was set; it is
   * another process from here, which knows that it is at least `knownTime`.
   */
  | { readonly what: 'look'; readonly at: number; readonly knownTime: number }
  | { readonly what: 'suspension'; readonly ms: number; readonly at: number }
  | { readonly what: 'jump'; readonly ms: number; readonly at: number; readonly knownTime: number }
  | {
      readonly what: 'restart'
      readonly at: number
      readonly knownTime: number
      readonly latestTime: number
      readonly isFromOld: boolean
    }

interface StorySession {
  readonly id: string
  readonly named: boolean
  readonly isIdle: boolean
  readonly isInactive: boolean
  /** A live session has no end: Infinity. */
  readonly until: number
}

interface View {
  readonly status: Shown
  readonly text: string | undefined
  readonly expiresAt: number | undefined
}

/** What is so of one user after all events. */
interface Story {
  known: boolean
  sessions: StorySession[]
  choice: Choice
  /** When the user chose last; 0 where that is not known. */
  chosenAt: number
  /** Until when that, and a hiding, is kept for a user who is gone; 0 where nothing is. */
  keptUntil: number
  /** What others see, and what they should see by the rule of presence. */
  shown: View
  due: View
  /** Whether the two differ, a name that waits included; and why others will see a change. */
  isOwed: boolean
  cause: Cause
  lastSeen: number | null
  username: string | undefined
  /** A name that others don't see yet. */
  newName: string | undefined
  /** Whether others have ever seen the user. */
  wasSeen: boolean
  /** The `lastSeen` as it was made: another if it was in the future when the clock was set back. */
  stamp: number | null
  /** How far the clock is taken to have been ahead that wrote it. */
  aheadMs: number | undefined
  /** What is stored as `lastSeen`: not behind the right time where that is known. */
  storedLastSeen: number | null
  /** Whether the end of the choice is by the wall clock although it is ahead. */
  isByWall: boolean
  /**
   * How far the end of the choice is put off, because the wall clock is ahead as far as this process can
   * tell.
   */
  ahead: number
}

/** A clock that is as far off as this is wrong. */
const OFF_MS = 5_000

/** For how long a clock that was wrong must stay as it is to be believed. */
const BELIEVE_MS = 3_600_000

/** A clock that shows at the start that no server was there for longer than this may be ahead. */
const ABSENCE_MS = 86_400_000

class Model {
  readonly #events: Event[] = []
  readonly #options: PresenceOptions
  /** A question that was asked already since the last event: what is read again would be the same. */
  readonly #asked = new Map<UserId, Story>()

  constructor(options: PresenceOptions) {
    this.#options = options
  }

  add(event: Event): void {
    this.#events.push(event)
    this.#asked.clear()
  }

  story(userId: UserId): Story {
    const story = this.#asked.get(userId) ?? this.#read(userId)
    this.#asked.set(userId, story)
    return story
  }

  #read(userId: UserId): Story {
    const { graceMs, restartGraceMs, inactiveGraceMs, noticedMs, hiddenKeepMs } = this.#options
    let { known, sessions, choice, chosenAt, keptUntil, shown, lastSeen, username, newName } = UNKNOWN
    let { wasSeen, isByWall } = UNKNOWN
    let proof = Number.NEGATIVE_INFINITY
    /** The sum of all jumps, and what it is while the clock is right. */
    let jumped = 0
    let right = 0
    /** Whether that is only a bound, from what was stored; and since when the clock is wrong. */
    let isBound = false
    let offSince = 0
    /**
     * A timestamp that was in the future when the clock was set back, what stands for it, the sum of jumps at
     * that time, and the sum at which the clock is where it was before; and when the clock jumped last.
     */
    let moved: { stamp: number; lastSeen: number; at: number; undoneAt: number; isSure: boolean } | undefined
    let jumpedAt = 0
    const moveBack = (setBackMs: number, now: number, isSure: boolean, isKnown = false) => {
      if (lastSeen === null || !wasSeen) return
      moved = {
        stamp: lastSeen,
        // What an earlier process has found out does not depend on what the clock shows now.
        lastSeen: isKnown ? lastSeen - setBackMs : Math.min(now, lastSeen - setBackMs),
        at: jumped,
        undoneAt: jumped + setBackMs,
        isSure: isKnown || isSure,
      }
      lastSeen = moved.lastSeen
    }
    /** The sum of all jumps and suspensions: the wall clock minus steady time. */
    let offset = 0
    /**
     * How the last session ended; what others know of choice and idleness; whether the choice before has
     * expired.
     */
    let end: 'left' | 'lost' = 'left'
    let saidChoice: Choice = ONLINE
    let saidIdle = false
    let hasExpired = false
    /**
     * The sum of jumps at which the `lastSeen` of a user who is seen as offline was stamped, where that
     * matters.
     */
    let stampedAt: number | undefined
    /** Until when clients are on their way back after a suspension. */
    let returnUntil = Number.NEGATIVE_INFINITY
    const isOff = () => isBound || Math.abs(jumped - right) > OFF_MS
    const ahead = () => (isOff() ? Math.max(0, jumped - right) : 0)
    const behind = (then: number) => (isOff() ? Math.max(0, right - then) : 0)
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
    const stored = () => {
      const isStampedNow = shown.status !== 'offline' && lastSeen === proof
      const then = stampedAt ?? (isStampedNow ? jumped : undefined)
      const stamp = moved?.stamp ?? lastSeen
      return stamp === null || then === undefined ? stamp : stamp + behind(then)
    }
    const owes = () => {
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
        // Who becomes visible is seen at this moment.
        if (!wasVisible) proof = Math.max(proof, now)
      } else if (wasVisible) {
        stampedAt = isOff() && proof === lastSeen ? jumped : undefined
      }
    }
    for (const event of this.#events) {
      if ('userId' in event && event.userId !== userId) continue
      const isHere = sessions.length > 0 || shown.status !== 'offline'
      switch (event.what) {
        case 'open': {
          if (sessions.length === 0 && isOver(choice, choiceTime(event.at))) {
            choice = ONLINE
            if (keptUntil === 0 && !isHere) chosenAt = 0
          }
          // Its own place if it has one, else that of the nameless one lost longest ago: that is what "back"
          // means.
          const own = event.named ? sessions.find(({ id }) => id === event.id) : undefined
          const lost = sessions.filter(isLost).filter(({ named }) => !named)
          const place = own ?? lost.sort((a, b) => a.until - b.until)[0]
          const { id, named } = event
          const session = { id, named, isIdle: place?.isIdle ?? false, isInactive: false, until: Infinity }
          sessions = [...sessions.filter(session => session !== place), session]
          known = true
          lastSeen ??= event.at
          proof = event.at
          if (event.username !== undefined) rename(event.username)
          if (event.choice) {
            const { madeAt = event.at, ...first } = event.choice
            // Of two choices the newer one counts. A time that is still to come tells nothing.
            const isAgain = madeAt === chosenAt && choice === ONLINE
            const isNewer = madeAt <= event.at + OFF_MS ? madeAt > chosenAt : chosenAt === 0
            const isKnown = isAgain || isNewer
            if (event.choice.madeAt === undefined) choose(first, later(event.at, chosenAt), event.at)
            else if (isKnown) choose(first, Math.min(madeAt, event.at), event.at)
          }
          break
        }
        case 'leave': {
          const before = sessions.length
          sessions = without(sessions, event.id)
          if (sessions.length < before) end = 'left'
          // Who leaves on purpose ends a hiding without an end.
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
          if (isHere) proof = Math.max(proof, event.at)
          break
        case 'choose':
          if (sessions.length > 0) choose(event.choice, later(event.at, chosenAt), event.at)
          break
        case 'activity': {
          const active = sessions.find(isLive(event.id))
          sessions = sessions.map(session =>
            session === active ? { ...session, isIdle: event.isIdle } : session,
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
        case 'told':
          show(event.at)
          break
        case 'forgotten':
          ;({ known, sessions, choice, chosenAt, keptUntil, shown, lastSeen, username, newName } = UNKNOWN)
          ;({ wasSeen, isByWall } = UNKNOWN)
          ;[stampedAt, moved] = [undefined, undefined]
          break
        case 'look':
          // A clock that was wrong for long is right now, and so are the timestamps that it made.
          if (isOff() && event.at - offset - offSince >= BELIEVE_MS) {
            ;[right, isBound, stampedAt] = [jumped, false, undefined]
          }
          // A clock that was set back for long: nobody was last seen in the future.
          if (moved && event.at - offset - jumpedAt >= BELIEVE_MS && event.at >= event.knownTime - OFF_MS) {
            moved = undefined
          }
          if (sessions.some(session => session.until <= event.at)) end = 'lost'
          sessions = sessions.filter(session => session.until > event.at)
          if (isOver(choice, choiceTime(event.at))) [choice, hasExpired] = [ONLINE, true]
          if (keptUntil > 0 && keptUntil <= event.at) {
            keptUntil = 0
            if (choice.expiresAt === undefined) [choice, chosenAt] = [ONLINE, 0]
          }
          break
        case 'suspension':
          offset += event.ms
          sessions = sessions.map(session => ({ ...session, until: session.until + event.ms }))
          if (keptUntil > 0) keptUntil += event.ms
          returnUntil += event.ms
          // Clients have noticed, and come back as after a restart.
          if (event.ms >= noticedMs) awaitReturn(event.at)
          break
        case 'jump': {
          const wasOff = isOff()
          const wasBehind = jumped < right
          offset += event.ms
          offSince = event.at - offset
          jumped += event.ms
          jumpedAt = event.at - offset
          const isBack = jumped - right >= -OFF_MS && (wasBehind || jumped - right <= ABSENCE_MS)
          if (isBound && isBack) [right, isBound] = [jumped, false]
          isByWall = false
          sessions = sessions.map(session => ({ ...session, until: session.until + event.ms }))
          if (keptUntil > 0) keptUntil += event.ms
          returnUntil += event.ms
          // The machine may have been paused: clients have noticed, and come back as after a suspension.
          if (event.ms >= noticedMs) awaitReturn(event.at)
          // What was stamped here for one who is present moves with the clock, ...
          if (isHere) {
            if (shown.status !== 'offline' && lastSeen === proof) lastSeen += event.ms
            proof += event.ms
          }
          // ... and what was stamped while it was wrong for one who was not seen any more is set right with
          // it.
          if (wasOff && !isOff()) {
            if (stampedAt !== undefined && lastSeen !== null) {
              lastSeen = (moved?.stamp ?? lastSeen) + jumped - stampedAt
              moved = undefined
            }
            stampedAt = undefined
          }
          if (moved) {
            const isBehind = event.at < event.knownTime - OFF_MS
            const wasKnownBehind = event.at - event.ms < event.knownTime - OFF_MS
            if (moved.isSure && (isBehind || wasKnownBehind)) {
              // A clock that is or was behind says nothing about what a better one has moved.
              moved = { ...moved, at: moved.at + event.ms, undoneAt: moved.undoneAt + event.ms }
            } else {
              // A jump forward may be the end of a pause, and only one that undoes the set-back tells that
              // the
              // clock was right before.
              const isBack = Math.abs(jumped - moved.undoneAt) <= OFF_MS
              const isUndone = isBack || (wasKnownBehind && moved.stamp <= event.at)
              if (wasKnownBehind) moved.at = jumped
              const back = moved.undoneAt - Math.min(jumped, moved.at)
              lastSeen = isUndone ? moved.stamp : Math.min(event.at, moved.stamp - back)
              moved = isUndone ? undefined : { ...moved, lastSeen, isSure: moved.isSure || !isBehind }
            }
          }
          if (event.ms < 0 && (lastSeen ?? 0) > event.at) {
            moveBack(-event.ms, event.at, event.at >= event.knownTime - OFF_MS)
          }
          break
        }
        case 'restart': {
          // How far the clock was ahead is stored with what it wrote, unless it may be behind instead.
          const storedAhead = moved?.isSure && !event.isFromOld ? moved.stamp - moved.lastSeen : 0
          lastSeen = stored()
          if (event.isFromOld) wasSeen = known
          ;[jumped, offset, stampedAt, returnUntil] = [0, 0, undefined, Number.NEGATIVE_INFINITY]
          const sinceKnown = event.at - event.knownTime
          const aheadMs = sinceKnown < 0 ? sinceKnown : Math.max(0, event.at - event.latestTime)
          isBound = aheadMs < -OFF_MS || aheadMs > ABSENCE_MS
          right = isBound ? -aheadMs : 0
          offSince = event.at
          moved = undefined
          jumpedAt = event.at
          const setBackMs = event.latestTime - event.at > OFF_MS ? event.latestTime - event.at : 0
          const isSure = event.at >= event.knownTime - OFF_MS
          if (storedAhead > 0) moveBack(storedAhead, event.at, isSure, true)
          else if (setBackMs > 0 && (lastSeen ?? 0) > event.at) moveBack(setBackMs, event.at, isSure)
          isByWall = false
          if (isOver(choice, choiceTime(event.at))) choice = ONLINE
          if (event.isFromOld) {
            chosenAt = 0
            sessions = sessions.map(session => ({ ...session, isInactive: false }))
            if (!isHere && isHiding(choice)) choice = ONLINE
          }
          sessions = isHere
            ? [
                {
                  id: 'any',
                  named: false,
                  isIdle: isIdle(sessions),
                  isInactive: isInactive(sessions),
                  until:
                    event.at +
                    (isInactive(sessions) ? Math.max(restartGraceMs, inactiveGraceMs) : restartGraceMs),
                },
              ]
            : []
          shown = OFFLINE
          end = 'lost'
          if (isHere) show(event.at)
          else keptUntil = choice !== ONLINE || chosenAt > 0 ? event.at + hiddenKeepMs : 0
          proof = Number.NEGATIVE_INFINITY
          break
        }
      }
      const isGone = sessions.length === 0 && shown.status === 'offline'
      if (!isGone) keptUntil = 0
      if (isGone && isHere && 'at' in event) {
        // Who is gone, and seen as gone, keeps a choice that has an end, a hiding, and for some time when
        // that was.
        if (choice.expiresAt === undefined && choice.status !== 'offline') choice = ONLINE
        if (event.what !== 'restart' && (choice !== ONLINE || chosenAt > 0))
          keptUntil = event.at + hiddenKeepMs
      }
      if (isGone && keptUntil === 0 && choice === ONLINE) chosenAt = 0
      if (chosenAt === 0 && choice === ONLINE) keptUntil = 0
      if (shown.status !== 'offline' && proof > Number.NEGATIVE_INFINITY) {
        lastSeen = proof
        moved = undefined
      }
      if (!owes()) [saidChoice, saidIdle, hasExpired] = [choice, isIdle(sessions), false]
      // Nobody has seen this user, and nothing has to be kept.
      if (known && !wasSeen && isGone && choice === ONLINE && chosenAt === 0) {
        ;({ known, keptUntil, lastSeen, username, newName } = UNKNOWN)
        moved = undefined
      }
    }
    const due = dueView(sessions, choice)
    const causeOf = (): Cause => {
      if (due.status === 'offline') return sessions.length > 0 ? 'left' : end
      if (shown.status === 'offline') return 'opened'
      if (!isSame(saidChoice, choice)) return hasExpired ? 'expired' : 'chosen'
      if (saidIdle !== isIdle(sessions)) return saidIdle ? 'active' : 'idle'
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
      isOwed: owes(),
      cause: causeOf(),
      lastSeen,
      username,
      newName,
      wasSeen,
      stamp: moved?.stamp ?? lastSeen,
      aheadMs: moved?.isSure ? moved.stamp - moved.lastSeen : undefined,
      storedLastSeen: stored(),
      isByWall,
      ahead: isByWall ? 0 : ahead(),
    }
  }

  /**
   * From when on a change may be told, and must be: by a purse that holds `burst` coins and gets one every
   * `everyMs` in which the process is not suspended, whatever is done to the wall clock.
   */
  turn(userId: UserId): number {
    const { burst, everyMs } = this.#options.changePace
    if (everyMs === 0) return 0
    let coins = burst * everyMs
    let since = Number.NEGATIVE_INFINITY
    let offset = 0
    for (const event of this.#events.slice(
      this.#events.findLastIndex(({ what }) => what === 'restart') + 1,
    )) {
      if (event.what === 'suspension' || event.what === 'jump') offset += event.ms
      if (event.what !== 'told' || event.userId !== userId) continue
      const awake = event.at - offset
      coins = Math.min(burst * everyMs, coins + awake - since) - everyMs
      since = awake
    }
    return since + everyMs - coins + offset
  }

  /** When the clock has to be looked at next: a lost session is over, or a change has its turn. */
  nextDue(userIds: readonly UserId[]): number {
    const times = userIds.flatMap(userId => {
      const { sessions, choice, keptUntil, due, isOwed, ahead } = this.story(userId)
      const forReturn = due.status === 'offline' ? returnMs(this.#options.changePace) : 0
      return [
        ...sessions.map(({ until }) => until),
        (choice.expiresAt ?? Infinity) + ahead,
        keptUntil > 0 ? keptUntil : Infinity,
        isOwed ? this.turn(userId) + forReturn : Infinity,
      ]
    })
    return Math.min(...times)
  }
}

const OFFLINE: View = { status: 'offline', text: undefined, expiresAt: undefined }
const ONLINE: Choice = { status: 'online' }

const UNKNOWN: Story = {
  known: false,
  sessions: [],
  choice: ONLINE,
  chosenAt: 0,
  keptUntil: 0,
  shown: OFFLINE,
  due: OFFLINE,
  isOwed: false,
  cause: 'opened',
  lastSeen: null,
  username: undefined,
  newName: undefined,
  wasSeen: false,
  stamp: null,
  aheadMs: undefined,
  storedLastSeen: null,
  isByWall: false,
  ahead: 0,
}

/** The rule of presence. */
function dueView(sessions: readonly StorySession[], { status, text, expiresAt }: Choice): View {
  if (sessions.length === 0 || status === 'offline') return OFFLINE
  return { status: status === 'online' && isIdle(sessions) ? 'away' : status, text, expiresAt }
}

const isIdle = (sessions: readonly StorySession[]) =>
  sessions.length > 0 && sessions.every(session => session.isIdle)
/** Two choices in one millisecond have two times. */
const later = (at: number, chosenAt: number) => (at === chosenAt ? at + 1 : at)
const isInactive = (sessions: readonly StorySession[]) => sessions.some(session => session.isInactive)
const isHiding = ({ status, expiresAt }: Choice) => status === 'offline' && expiresAt === undefined
const isOver = ({ expiresAt }: Choice, now: number) => expiresAt !== undefined && expiresAt <= now
const isSame = (one: Choice, other: Choice) =>
  one.status === other.status && one.text === other.text && one.expiresAt === other.expiresAt

/** A leaving waits until the return can be paid as well; with a purse for one coin it never could. */
const returnMs = ({ burst, everyMs }: PresenceOptions['changePace']) => (burst > 1 ? everyMs : 0)

const isLost = (session: { until: number }) => session.until < Infinity
const isLive = (id: string) => (session: { id: string; until: number }) =>
  session.id === id && !isLost(session)
const isGone = ({ sessions, shown, choice, keptUntil }: Story) =>
  sessions.length === 0 && shown.status === 'offline' && !(keptUntil > 0 && isHiding(choice))

const isKeptHidden = ({ sessions, shown, choice, keptUntil }: Story) =>
  sessions.length === 0 && shown.status === 'offline' && keptUntil > 0 && isHiding(choice)

/** Two live sessions of one id are two: each end ends one. */
function without<S extends { id: string; until: number }>(sessions: readonly S[], id: string): S[] {
  const ended = sessions.find(isLive(id))
  return sessions.filter(session => session !== ended)
}

// What is played

export const USERS = ['ann', 'bob', '__proto__', 'constructor'] as const

export type Step =
  | {
      readonly do: 'open'
      readonly userId: UserId
      readonly id: string
      readonly named: boolean
      readonly username: string | undefined
      readonly choice?: StepChoice | undefined
    }
  | { readonly do: 'leave' | 'lose'; readonly userId: UserId; readonly id: string }
  | { readonly do: 'heard'; readonly userId: UserId; readonly ago: number }
  /** `forMs` is when the choice ends, from then on; it may be over at once. */
  | {
      readonly do: 'setStatus'
      readonly userId: UserId
      readonly status: Status
      readonly text?: string | undefined
      readonly forMs?: number | undefined
    }
  | { readonly do: 'setActivity'; readonly userId: UserId; readonly id: string; readonly isIdle: boolean }
  | {
      readonly do: 'setVisibility'
      readonly userId: UserId
      readonly id: string
      readonly isInactive: boolean
    }
  | { readonly do: 'identify'; readonly userId: UserId; readonly username: string }
  /**
   * Time passes and nobody looks, as when timers are late; or passes to about the next time when something is
   * due.
   */
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'waitToDue'; readonly off: number }
  /** Time passes and is looked at, `limit` users at a time. */
  | { readonly do: 'advance'; readonly ms: number; readonly limit: number }
  /** The same, to just before, at or just after the next time at which something is due. */
  | { readonly do: 'advanceToDue'; readonly off: number; readonly limit: number }
  | { readonly do: 'suspended' | 'jumped'; readonly ms: number }
  /** The next process starts; maybe with the records of a version that knew less. */
  | { readonly do: 'restart'; readonly ms: number; readonly isFromOld?: boolean | undefined }
  | { readonly do: 'forgetStale'; readonly count: number }

/**
 * What a session begins with; made so long ago, or in the future by a clock that was set back, or just now.
 */
interface StepChoice {
  readonly status: Status
  readonly text?: string | undefined
  readonly forMs?: number | undefined
  readonly ago?: number | undefined
}

export interface Game {
  readonly options: PresenceOptions
  readonly steps: readonly Step[]
}

const userId = fc.constantFrom(...USERS)
const small = fc.nat({ max: 12 })
const session = fc.constantFrom('s1', 's2')

const options: fc.Arbitrary<PresenceOptions> = fc.record({
  graceMs: fc.constantFrom(0, 1, 5, 20),
  restartGraceMs: fc.constantFrom(0, 3, 15),
  inactiveGraceMs: fc.constantFrom(0, 4, 30),
  noticedMs: fc.constantFrom(1, 6, 100),
  hiddenKeepMs: fc.constantFrom(1, 8, 40),
  changePace: fc.record({ burst: fc.constantFrom(1, 2, 3, 10), everyMs: fc.constantFrom(0, 3, 10) }),
  maxKnown: fc.constantFrom(1, 2, 3, 100),
  keepMs: fc.constantFrom(5, 30, 1_000),
})

/** How far a clock is off that is very wrong, in ms; about twice the longest absence of a server. */
const LONG = [180_000_000, -180_000_000]

const limit = fc.integer({ min: 1, max: 4 })
const off = fc.integer({ min: -1, max: 1 })

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('open'),
      userId,
      id: session,
      named: fc.boolean(),
      username: fc.constantFrom(undefined, undefined, undefined, 'Ann'),
      choice: fc.option(
        fc.record({
          status: fc.constantFrom('online', 'busy', 'offline'),
          text: fc.constantFrom(undefined, 'at lunch'),
          forMs: fc.constantFrom(undefined, undefined, 0, 9),
          ago: fc.constantFrom(undefined, -6_000, -3, 0, 2, 20),
        }),
        { nil: undefined, freq: 3 },
      ),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constantFrom('leave', 'lose', 'lose'), userId, id: session }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('heard'), userId, ago: fc.nat({ max: 3 }) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('setStatus'),
      userId,
      status: fc.constantFrom('online', 'online', 'away', 'busy', 'offline', 'offline'),
      text: fc.constantFrom(undefined, undefined, 'at lunch'),
      forMs: fc.constantFrom(undefined, undefined, 0, 4, 15),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('setActivity'), userId, id: session, isIdle: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('setVisibility'), userId, id: session, isInactive: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('identify'), userId, username: fc.constantFrom('Ann', 'Bob') }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait'), ms: small }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('waitToDue'), off }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('advance'), ms: small, limit }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('advanceToDue'), off, limit }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('suspended'), ms: small }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('restart'),
      ms: fc.oneof(
        { weight: 5, arbitrary: small },
        { weight: 1, arbitrary: fc.constantFrom(...LONG, -10_000) },
      ),
      isFromOld: fc.constantFrom(false, false, true),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('jumped'),
      ms: fc.constantFrom(10_000, -10_000, 6_000, -6_000, ...LONG),
    }),
  },
  // Long enough for a clock to be believed.
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('advance'), ms: fc.constantFrom(BELIEVE_MS, 1_000_000), limit }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('forgetStale'), count: fc.nat({ max: 6 }) }) },
)

export const game: fc.Arbitrary<Game> = fc.record({
  options,
  steps: fc.array(step, { size: 'max', maxLength: 60 }),
})

/** Plays a game against a core and the model, and throws at the first difference. */
export function play(Core: typeof Presence, { options, steps }: Game): void {
  const table = new Table(Core, options)
  for (const step of steps) table.take(step)
  table.end()
}

const START = Date.UTC(2030, 0, 1)

class Table {
  readonly #Core: typeof Presence
  readonly #options: PresenceOptions
  readonly #model: Model
  readonly #paging = new Paging()
  /** Users whose record has changed by a jump, and whom the next `advance` has to report. */
  readonly #owed = new Set<UserId>()
  #core: OneNode
  #now = START
  /** Real time as the processes saw it pass, and the latest time that the wall clock has shown. */
  #knownTime = START
  #latestTime = START

  constructor(Core: typeof Presence, options: PresenceOptions) {
    this.#Core = Core
    this.#options = options
    this.#model = new Model(options)
    this.#core = new OneNode(options, Core)
    this.#core.restore([], START)
    this.#model.add({ what: 'restart', at: START, knownTime: START, latestTime: START, isFromOld: false })
  }

  #pass(ms: number): void {
    this.#now += ms
    this.#knownTime += ms
  }

  take(step: Step): void {
    this.#take(step)
    this.#latestTime = this.#now
    this.#compare()
  }

  #take(step: Step): void {
    const core = this.#core
    switch (step.do) {
      case 'open': {
        const isNew = !this.#story(step.userId).known
        const isFull = this.#known().length >= this.#options.maxKnown
        const gone = USERS.filter(user => this.#story(user).known && isGone(this.#story(user)))
        const { userId, id, named, username } = step
        const choice = firstChoiceOf(step.choice, this.#now)
        const outcome = this.#told(
          userId,
          { what: 'open', userId, id, named, username, choice, at: this.#now },
          now => core.open(userId, { id, named }, now, { username, choice }),
        )
        const forgotten = outcome.dirty.filter(user => user !== step.userId)
        // Of those who are kept hidden the one who was kept longest is forgotten, but only if there is nobody
        // else.
        const hidden = USERS.filter(user => isKeptHidden(this.#story(user)))
        const keptLongest = Math.min(...hidden.map(user => this.#story(user).keptUntil))
        const allowed =
          gone.length > 0 ? gone : hidden.filter(user => this.#story(user).keptUntil === keptLongest)
        same(forgotten.length, isNew && isFull && allowed.length > 0 ? 1 : 0, 'forgotten for a newcomer')
        const oldest = Math.min(...allowed.map(user => this.#story(user).lastSeen ?? 0))
        for (const user of forgotten) this.#forgotten(user, allowed, gone.length > 0 ? oldest : Infinity)
        break
      }
      case 'leave':
      case 'lose':
        this.#told(step.userId, { what: step.do, ...step, at: this.#now }, now =>
          core[step.do](step.userId, step.id, now),
        )
        break
      case 'heard': {
        const at = this.#now - step.ago
        this.#model.add({ what: 'heard', userId: step.userId, at })
        core.heard(step.userId, at)
        break
      }
      case 'setStatus':
        this.#told(
          step.userId,
          { what: 'choose', userId: step.userId, choice: choiceOf(step, this.#now), at: this.#now },
          now => core.setStatus(step.userId, choiceOf(step, now), now),
        )
        break
      case 'setActivity':
        this.#told(step.userId, { what: 'activity', ...step }, now =>
          core.setActivity(step.userId, step.id, step.isIdle ? 'idle' : 'active', now),
        )
        break
      case 'setVisibility':
        this.#told(step.userId, { what: 'visibility', ...step }, now =>
          core.setVisibility(step.userId, step.id, step.isInactive ? 'inactive' : 'active', now),
        )
        break
      case 'identify': {
        const { known, username, newName } = this.#story(step.userId)
        // A name that the user has already, or will have, does nothing at all: what waits goes on waiting.
        if (!known || (newName ?? username) === step.username) {
          const nothing = core.identify(step.userId, step.username, this.#now)
          same([...nothing.facts, ...nothing.records, ...nothing.forgotten], [], 'no other name')
          break
        }
        const { dirty } = this.#told(step.userId, { what: 'identify', ...step }, now =>
          core.identify(step.userId, step.username, now),
        )
        same(dirty, [step.userId], 'dirty by a name')
        break
      }
      case 'wait':
        this.#pass(step.ms)
        break
      case 'waitToDue':
        this.#waitToDue(step.off)
        break
      case 'advance':
        this.#pass(step.ms)
        this.#advance(step.limit)
        break
      case 'advanceToDue':
        this.#waitToDue(step.off)
        this.#advance(step.limit)
        break
      case 'suspended':
        this.#now += step.ms
        this.#model.add({ what: 'suspension', ms: step.ms, at: this.#now })
        core.suspended(step.ms, this.#now)
        break
      case 'jumped': {
        const before = this.#recordsNow()
        this.#now += step.ms
        this.#model.add({ what: 'jump', ms: step.ms, at: this.#now, knownTime: this.#knownTime })
        const outcome = core.jumped(step.ms, this.#now)
        same(outcome.changes, [], 'changes by a jump')
        this.#judgeRecords(outcome)
        for (const user of this.#changedSince(before)) if (!outcome.dirty.includes(user)) this.#owed.add(user)
        break
      }
      case 'restart': {
        this.#now += step.ms
        same(core.knownTime(this.#now - step.ms), this.#knownTime, 'known time')
        const isFromOld = step.isFromOld === true
        const records = Array.from(core.records(), record => (isFromOld ? asOldVersion(record) : record))
        this.#core = new OneNode(this.#options, this.#Core)
        this.#owed.clear()
        const times = { knownTime: this.#knownTime, latestTime: this.#latestTime }
        this.#core.restore(records, this.#now, times)
        this.#model.add({ what: 'restart', at: this.#now, ...times, isFromOld })
        this.#paging.begin(this.#seen())
        break
      }
      case 'forgetStale': {
        const stale = USERS.filter(user => {
          const story = this.#story(user)
          const before = Math.min(this.#now, this.#knownTime) - this.#options.keepMs
          return story.known && isGone(story) && (story.stamp ?? 0) < before
        })
        const all = step.count >= this.#known().length
        const outcome = core.forgetStale(this.#now, step.count)
        same(outcome.changes, [], 'changes by forgetting')
        same(outcome.dirty.length <= step.count, true, 'forgets no more than it may look at')
        if (all) same(outcome.dirty.toSorted(), stale.toSorted(), 'forgotten by age')
        for (const user of outcome.dirty) this.#forgotten(user, stale, Infinity)
        break
      }
    }
  }

  /**
   * Everybody leaves, and all that could wait has its time: nothing is left but names and times, then
   * nothing.
   */
  end(): void {
    for (const user of USERS) {
      for (const { id } of this.#story(user).sessions) this.take({ do: 'leave', userId: user, id })
    }
    // Longer than all jumps together: whatever was stamped by a clock that was ahead is in the past then.
    this.take({ do: 'advance', ms: 20_000_000_000, limit: 4 })
    // Who was seen as gone only then is kept in mind a little longer.
    this.take({ do: 'advance', ms: 1_000, limit: 4 })
    same(this.#core.onlineCount, 0, 'online after all have left')
    same(this.#core.nextDeadline === Infinity, true, 'nothing waits after all have left')
    this.take({ do: 'forgetStale', count: USERS.length })
    same(this.#core.knownCount, 0, 'known after the time of remembering')
    same([...this.#core.list(10), ...this.#core.records(), ...this.#core.page(0, 10).users], [], 'left over')
  }

  #waitToDue(off: number): void {
    const due = this.#model.nextDue(USERS) + off
    if (due < Infinity) this.#pass(Math.max(0, due - this.#now))
  }

  #advance(limit: number): void {
    const now = this.#now
    const before = this.#recordsNow()
    const present = this.#sessions()
    const chosen = this.#choices()
    this.#model.add({ what: 'look', at: now, knownTime: this.#knownTime })
    const changes: Change[] = []
    const dirty: UserId[] = []
    const choices: OwnChoice[] = []
    const ended: EndedSession[] = []
    for (let rounds = 0; rounds === 0 || this.#core.nextDeadline <= now; rounds++) {
      if (rounds === 1_000) throw new Error('advance never ends')
      const outcome = this.#core.advance(now, limit)
      if (outcome.dirty.length > limit) {
        throw new Error(`looked at more than ${limit}`)
      }
      changes.push(...outcome.changes)
      this.#judgeRecords(outcome)
      dirty.push(...outcome.dirty)
      choices.push(...outcome.choices)
      ended.push(...outcome.ended)
    }
    this.#judgeEnded(ended, present)
    this.#judge(changes, USERS)
    this.#judgeStored(dirty, before)
    for (const user of this.#owed) same(dirty.includes(user), true, `stored later ${user}`)
    this.#owed.clear()
    this.#judgeChoices(choices, chosen)
  }

  /** Something happens to one user: nobody else's presence may change by it. */
  #told(userId: UserId, event: Event, act: (now: number) => Outcome): Outcome {
    const before = this.#recordsNow()
    const present = this.#sessions()
    const chosen = this.#choices()
    const { sessions, choice, ahead } = this.#story(userId)
    // The end of a choice is not reported for who is gone, and so not when it is noticed on their return.
    if (sessions.length === 0 && isOver(choice, this.#now - ahead)) chosen.set(userId, ONLINE)
    this.#model.add(event)
    const outcome = act(this.#now)
    this.#judge(outcome.changes, [userId])
    this.#judgeDirty(outcome, before)
    this.#judgeEnded(outcome.ended, event.what === 'leave' ? present : this.#sessions())
    if (event.what === 'choose' || (event.what === 'open' && event.choice)) {
      this.#judgeChoices(outcome.choices, chosen)
    } else same(outcome.choices, [], 'choices by anything else')
    return outcome
  }

  /**
   * Are these the changes of those users that have to be told now: each once, at this time, and no others?
   * Since a change is only expected of who is shown otherwise, online and offline alternate.
   */
  #judge(changes: readonly Change[], concerned: readonly UserId[]): void {
    const now = this.#now
    const expected = concerned.flatMap(userId => {
      const { shown, due, isOwed, sessions, choice, cause } = this.#story(userId)
      const hides = sessions.length > 0 && choice.status === 'offline'
      const forReturn = due.status === 'offline' ? returnMs(this.#options.changePace) : 0
      const must = hides || this.#model.turn(userId) + forReturn <= now
      const change = { userId, status: due.status, previous: shown.status, at: now, cause }
      return isOwed && must ? [change] : []
    })
    same(changes.map(asLine).toSorted(), expected.map(asLine).toSorted(), 'changes')
    for (const change of changes) this.#model.add({ what: 'told', ...change })
  }

  #judgeDirty(outcome: Outcome, before: Map<UserId, string>): void {
    this.#judgeRecords(outcome)
    this.#judgeStored(outcome.dirty, before)
  }

  /** What is stored of a user is the newest record. */
  #judgeRecords({ records, forgotten }: Outcome): void {
    const newest = new Map(records.map(record => [record.userId, record]))
    for (const [userId, record] of newest) {
      if (!forgotten.includes(userId)) same(record, this.#core.record(userId), `stored record of ${userId}`)
    }
    for (const userId of forgotten) same(this.#core.record(userId), undefined, `record of ${userId}`)
  }

  /** Whose record is another now has to be stored, or the disk would not learn of it. */
  #judgeStored(dirty: readonly UserId[], before: Map<UserId, string>): void {
    for (const user of this.#changedSince(before)) same(dirty.includes(user), true, `dirty ${user}`)
  }

  #changedSince(before: Map<UserId, string>): UserId[] {
    const after = this.#recordsNow()
    return USERS.filter(user => before.get(user) !== after.get(user))
  }

  /** Whose choice is another now, and who is there to be told: those and no others are named. */
  #judgeChoices(choices: readonly OwnChoice[], before: Map<UserId, Choice>): void {
    const other = USERS.filter(user => {
      const { choice, sessions } = this.#story(user)
      return sessions.length > 0 && !isSame(choice, before.get(user) ?? ONLINE)
    })
    const named = choices.map(({ userId }) => userId)
    same(named.toSorted(), other.toSorted(), 'choices')
    for (const { userId, choice, madeAt } of choices) {
      const story = this.#story(userId)
      same(isSame(choice, story.choice), true, `choice of ${userId}`)
      same(madeAt ?? 0, story.chosenAt, `time of the choice of ${userId}`)
    }
  }

  /** The sessions that were there and are no more, but for those that stand for the ones before a restart. */
  #judgeEnded(ended: readonly EndedSession[], before: readonly string[]): void {
    const left = [...before]
    for (const session of this.#sessions()) {
      const place = left.indexOf(session)
      if (place >= 0) left.splice(place, 1)
    }
    const expected = left.filter(session => !session.endsWith(' any'))
    same(
      ended.map(({ userId, sessionId }) => `${userId} ${sessionId}`).toSorted(),
      expected.toSorted(),
      'ended',
    )
  }

  #sessions(): string[] {
    return USERS.flatMap(user => this.#story(user).sessions.map(({ id }) => `${user} ${id}`))
  }

  #choices(): Map<UserId, Choice> {
    return new Map(USERS.map(user => [user, this.#story(user).choice]))
  }

  #forgotten(user: UserId, allowed: readonly UserId[], oldest: number): void {
    same(allowed.includes(user), true, `${user} may be forgotten`)
    same((this.#story(user).lastSeen ?? 0) <= oldest, true, `${user} is the oldest`)
    this.#model.add({ what: 'forgotten', userId: user })
    this.#owed.delete(user)
    this.#paging.forget(user)
  }

  /** Everything that can be asked, against the model. */
  #compare(): void {
    const core = this.#core
    // A sign of life of a stranger changes nothing, but tells the core the time.
    core.heard('nobody', this.#now)
    const records = this.#recordsNow()
    const seen: SeenUser[] = []
    for (const userId of USERS) {
      const story = this.#story(userId)
      const { known, sessions, choice, shown, lastSeen, username, newName, wasSeen } = story
      const told = lastSeen === null || !wasSeen ? null : Math.min(lastSeen, this.#now)
      const user = { userId, ...shown, lastSeen: told, username }
      same(asSeen(core.see(userId)), asSeen(user), 'see')
      same(core.record(userId) !== undefined, known, `${userId} is known`)
      const own = sessions.length > 0 ? choice : ONLINE
      if (!isSame(core.choice(userId), own)) throw new Error(`choice of ${userId} is another`)
      if (!known) continue
      if (wasSeen) seen.push(user)
      const isHeld = sessions.length > 0 || shown.status !== 'offline'
      const session = sessions.some(session => !isLost(session)) ? 'live' : isHeld ? 'held' : 'none'
      const keptHidden = (story.keptUntil > 0 && isHiding(choice)) || undefined
      const isKept = session !== 'none' || choice.expiresAt !== undefined || keptHidden
      const { text, expiresAt } = choice
      const idle = isIdle(sessions) || undefined
      const inactive = isInactive(sessions) || undefined
      const kept = isKept ? { status: choice.status, text, expiresAt } : OFFLINE
      const chosenAt = story.chosenAt || undefined
      const names = { username, newUsername: newName }
      const record = {
        userId,
        session,
        ...kept,
        chosenAt,
        keptHidden,
        idle,
        inactive,
        lastSeen: story.storedLastSeen ?? 0,
        unseen: wasSeen ? undefined : true,
        aheadMs: story.aheadMs,
        ...names,
      } as const
      same(records.get(userId), asKept(record), 'record')
    }
    const online = seen.filter(({ status }) => status !== 'offline')
    same(core.knownCount, this.#known().length, 'knownCount')
    same(core.onlineCount, online.length, 'onlineCount')
    const listed = [...core.list(10)]
    same(listed.map(asSeen).toSorted(), seen.map(asSeen).toSorted(), 'list')
    const first = listed.slice(0, online.length)
    same(first.map(asSeen).toSorted(), online.map(asSeen).toSorted(), 'list has the online first')
    same([...core.list(2)].map(asSeen), listed.slice(0, 2).map(asSeen), 'list stops at its limit')
    for (const limit of [1, 3]) {
      same(pages(core, limit).toSorted(), seen.map(({ userId }) => userId).toSorted(), `paged by ${limit}`)
    }
    const away = seen.filter(({ status }) => status === 'away').map(({ userId }) => userId)
    same(pages(core, 2, 'away').toSorted(), away.toSorted(), 'paged by status')
    this.#paging.step(core, this.#seen())
    const due = this.#model.nextDue(USERS)
    if (core.nextDeadline > due) throw new Error(`sleeps until ${core.nextDeadline}, due is ${due}`)
  }

  #story(user: UserId): Story {
    return this.#model.story(user)
  }

  #known(): UserId[] {
    return USERS.filter(user => this.#story(user).known)
  }

  #seen(): UserId[] {
    return USERS.filter(user => this.#story(user).wasSeen)
  }

  #recordsNow(): Map<UserId, string> {
    return new Map(
      [...this.#core.records()].map(record => [record.userId, asKept({ ...NOTHING_KEPT, ...record })]),
    )
  }
}

/** Goes through everybody page by page, a page after each step, while users come, go and are forgotten. */
class Paging {
  #after = 0
  #met = new Set<UserId>()
  /** UserTable since the beginning of this paging. */
  #throughout = new Set<UserId>()

  begin(known: readonly UserId[]): void {
    this.#after = 0
    this.#met = new Set()
    this.#throughout = new Set(known)
  }

  /** Who is forgotten may return, and is another one then. */
  forget(user: UserId): void {
    this.#throughout.delete(user)
    this.#met.delete(user)
  }

  step(core: OneNode, known: readonly UserId[]): void {
    const { users, next } = core.page(this.#after, 1)
    for (const { userId } of users) {
      same(this.#met.has(userId), false, `${userId} is met once`)
      this.#met.add(userId)
    }
    if (next !== undefined) {
      same(next > this.#after, true, 'a paging goes on')
      this.#after = next
      return
    }
    for (const userId of this.#throughout) same(this.#met.has(userId), true, `${userId} is met`)
    this.begin(known)
  }
}

/** Everybody, page by page. */
function pages(core: OneNode, limit: number, status?: Shown): UserId[] {
  const met: UserId[] = []
  let after: number | undefined = 0
  while (after !== undefined) {
    const { users, next }: ReturnType<OneNode['page']> = core.page(after, limit, status)
    same(users.length <= limit, true, 'a page stops at its limit')
    met.push(...users.map(({ userId }) => userId))
    same(next === undefined || next > after, true, 'a page leads on')
    after = next
  }
  return met
}

function choiceOf({ status, text, forMs }: Step & { do: 'setStatus' }, now: number): Choice {
  return { status, text, expiresAt: forMs === undefined ? undefined : now + forMs }
}

/**
 * A record as a version wrote it that did not know when a choice was made, and of hidden or inactive users
 * only those present.
 */
function asOldVersion({
  chosenAt,
  inactive,
  keptHidden,
  unseen,
  aheadMs,
  ...record
}: PresenceRecord): PresenceRecord {
  const { text, ...withoutText } = record
  return keptHidden ? withoutText : record
}

export function firstChoiceOf(choice: StepChoice | undefined, now: number): FirstChoice | undefined {
  if (!choice) return undefined
  const { status, text, forMs, ago } = choice
  const expiresAt = forMs === undefined ? undefined : now + forMs
  return { status, text, expiresAt, madeAt: ago === undefined ? undefined : now - ago }
}

const asLine = ({ userId, status, previous, at, cause }: Change) =>
  `${userId} ${previous} → ${status} ${at} ${cause}`
const asSeen = ({ userId, status, lastSeen, username, text, expiresAt }: SeenUser) =>
  `${userId} ${status} ${lastSeen} ${username} ${text} ${expiresAt}`
const asKept = (record: Fields<PresenceRecord>) =>
  [
    record.userId,
    record.session,
    record.status,
    record.text,
    record.expiresAt,
    record.chosenAt,
    record.keptHidden,
    record.idle,
    record.inactive,
    record.unseen,
    record.aheadMs,
    record.lastSeen,
    record.username,
    record.newUsername,
  ].join(' ')

const NOTHING_KEPT = {
  text: undefined,
  expiresAt: undefined,
  chosenAt: undefined,
  keptHidden: undefined,
  idle: undefined,
  inactive: undefined,
  unseen: undefined,
  aheadMs: undefined,
  username: undefined,
  newUsername: undefined,
}

/** With a name that may be undefined instead of left out. */
type Fields<T> = { [Key in keyof T]-?: T[Key] | undefined }

/** Primitives as they are, lists by their parts. */
function same(actual: unknown, expected: unknown, what: string): void {
  if (actual === expected) return
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (is !== should) throw new Error(`${what}: is ${is}, should be ${should}`)
}
