import type { UserId } from '@who-is-online/protocol/words'
import { isHide } from '../presence/choice.ts'
import type { Fact } from '../presence/fact.ts'
import type { UserItems } from './command.ts'
import { type ChangedUser, type ComposePort, composeUser, contentOf, KINDS, type Renamed } from './compose.ts'
import type { RegisterKey } from './entry.ts'
import type { Touched } from './log.ts'
import { splitValue } from './registers.ts'
import { newWaiting, type Waiting } from './waiting.ts'

/** What {@link Unplaced} reads. */
export type UnplacedPort = Omit<ComposePort, 'unread' | 'wasSaid' | 'hidAt'>

/** What was read back. */
export interface Placed {
  readonly userIds: readonly UserId[]
  readonly facts: readonly Fact[]
}

interface UnplacedUser {
  changed: ChangedUser
  /** The number of the batch that contains the user; `undefined` if no batch does. */
  batch: number | undefined
  /** Whether the log may have a fact of the user that was not read back. */
  isSaid: boolean
  /** Whether the user has changed since that batch was composed. */
  isNewer: boolean
  /** For callers who wait until the batch was read back, and until what has changed since was. */
  waiting: Waiting | undefined
  waitingNewer: Waiting | undefined
}

const NOTHING_CHANGED = { fact: undefined, renamed: undefined } as const

/**
 * What this node knows of users and has not read back from the log: why a user has changed, which values the log may
 * have by now, and who waits until the log has them. Which users are said next is in `Outbox`.
 */
export class Unplaced {
  readonly #port: ComposePort
  readonly #users = new Map<UserId, UnplacedUser>()
  /** The users of each batch that was composed and not read back. Some may be in a later batch by now. */
  readonly #batches = new Map<number, Set<UserId>>()
  /** When the choice was made of each user who hides here, or has left and that was not read back. */
  readonly #hides = new Map<UserId, number>()
  /** The values that were composed and not read back. */
  readonly #unread = new Map<RegisterKey, string>()

  constructor(port: UnplacedPort) {
    this.#port = {
      ...port,
      unread: key => this.#unread.get(key),
      wasSaid: userId => this.#users.get(userId)?.isSaid === true,
      hidAt: userId => this.#hides.get(userId),
    }
  }

  /** Adds what was decided; see `FactLog.append`. Returns the users who must be said. */
  add(facts: readonly Fact[], { records, forgotten }: Touched): UserId[] {
    const at = this.#port.time()
    const touched = new Set<UserId>(forgotten)
    for (const { userId } of records) touched.add(userId)
    for (const { userId } of facts) touched.add(userId)
    for (const userId of touched) {
      this.#noteHide(userId)
      this.#add(userId, { ...NOTHING_CHANGED, at })
    }
    for (const fact of facts) {
      this.#add(fact.userId, {
        fact,
        renamed: this.#isRenamed(fact) ? this.#renamed(fact.userId, at) : undefined,
        at,
      })
    }
    return [...touched]
  }

  /** Resolves when what is known of these users now was read back. */
  async whenPlaced(userIds: readonly UserId[]): Promise<void> {
    const waiting = userIds.flatMap(userId => {
      const user = this.#users.get(userId)
      if (!user) return []
      user.waitingNewer ??= newWaiting()
      return user.waitingNewer.promise
    })
    await Promise.all(waiting)
  }

  /** Whether something of a user has changed that this node has not read back. */
  has(userId: UserId): boolean {
    return this.#users.has(userId)
  }

  /** Whether the log may have, or get, something of a user that this node has not read back. */
  isUnread(userId: UserId): boolean {
    return this.#port.wasSaid(userId) || this.#unread.has(`c:${userId}`) || this.#unread.has(`v:${userId}`)
  }

  /** Whether this node has to read more before it takes what the log says of the choice of a user. */
  isUndecided(userId: UserId): boolean {
    // What becomes of a choice ahead is known when it was read back.
    if (this.has(userId) && this.#port.present(userId).isSetAhead) return true
    return this.isUnread(userId) && !this.#isNewerElsewhere(userId)
  }

  /**
   * Composes what this node says of a user, in a batch with this number.
   *
   * @param isAssertion see {@link composeUser}
   */
  compose(userId: UserId, batch: number, isAssertion = false): UserItems {
    const user = this.#users.get(userId) ?? newUser({ ...NOTHING_CHANGED, at: this.#port.time() })
    this.#users.set(userId, user)
    const items = composeUser(userId, user.changed, this.#port, isAssertion)
    user.batch = batch
    if (items.fact) user.isSaid = true
    user.isNewer = false
    user.waiting = joined(user.waiting, user.waitingNewer)
    user.waitingNewer = undefined
    for (const [key, value] of items.registers) {
      // An assertion may repeat an older value than one that was composed before and not read back.
      if (value > (this.#unread.get(key) ?? '')) this.#unread.set(key, value)
    }
    this.#batches.set(batch, (this.#batches.get(batch) ?? new Set()).add(userId))
    return items
  }

  /**
   * The log does not have a batch, or nobody knows. Its users are composed again, but not in the next batch if that is
   * full or has no users.
   */
  refused(batch: number): void {
    for (const userId of this.#batches.get(batch) ?? []) {
      const user = this.#users.get(userId)
      if (user?.batch === batch) user.batch = undefined
    }
    this.#batches.delete(batch)
  }

  /** All batches up to this one were read back. Returns their users, with the facts that are no longer pending. */
  placed(last: number): Placed {
    const userIds: UserId[] = []
    const facts: Fact[] = []
    for (const [batch, users] of this.#batches) {
      if (batch > last) continue
      this.#batches.delete(batch)
      for (const userId of users) {
        const user = this.#users.get(userId)
        if (user?.batch !== batch) continue
        userIds.push(userId)
        for (const kind of KINDS) this.#unread.delete(`${kind}:${userId}`)
        user.waiting?.resolve()
        user.waiting = undefined
        user.batch = undefined
        user.isSaid = false
        if (user.isNewer) continue
        this.#users.delete(userId)
        if (!this.#port.present(userId).isHere) this.#hides.delete(userId)
        if (user.changed.fact) facts.push(user.changed.fact)
      }
    }
    return { userIds, facts }
  }

  /**
   * Whether another node has said a newer choice of a user who is here. This node must take it at once: what it has
   * said itself, and not read back, may be later in the log, and would replace it for good.
   */
  #isNewerElsewhere(userId: UserId): boolean {
    const { node, fold } = this.#port
    const { sessions, madeAt } = this.#port.present(userId)
    const isOther = splitValue(fold.register(`c:${userId}`))?.node !== node
    return isOther && Object.keys(sessions).length > 0 && (fold.chosen(userId)?.madeAt ?? 0) > madeAt
  }

  #noteHide(userId: UserId): void {
    const { isHere, choice, madeAt } = this.#port.present(userId)
    if (!isHere) return
    if (isHide(choice)) this.#hides.set(userId, madeAt)
    else this.#hides.delete(userId)
  }

  /**
   * Whether this node decides the name. A name that an earlier fact had, which was not read back, is no decision:
   * another node may have said a newer name meanwhile.
   */
  #isRenamed({ userId, username }: Fact): boolean {
    const earlier = this.#users.get(userId)?.changed.fact
    if (earlier) return username !== earlier.username
    const key = `n:${userId}` as const
    const known = splitValue(this.#unread.get(key))?.json ?? contentOf(key, this.#port.fold)
    return JSON.stringify(username ?? null) !== known
  }

  #renamed(userId: UserId, at: number): Renamed {
    return { at, over: splitValue(this.#port.fold.register(`n:${userId}`))?.stamp ?? 0 }
  }

  #add(userId: UserId, { fact, renamed, at }: ChangedUser): void {
    const user = this.#users.get(userId)
    const known = user?.changed
    const changed = {
      fact: fact ?? known?.fact,
      renamed: renamed ?? known?.renamed,
      // A session that is opened later does not make a choice newer.
      at: fact || !known?.fact ? at : known.at,
    }
    if (!user) this.#users.set(userId, newUser(changed))
    else Object.assign(user, { changed, isNewer: true })
  }
}

/** Resolves both. */
function joined(one: Waiting | undefined, other: Waiting | undefined): Waiting | undefined {
  if (!one || !other) return one ?? other
  const resolve = (): void => {
    one.resolve()
    other.resolve()
  }
  return { promise: other.promise, resolve }
}

function newUser(changed: ChangedUser): UnplacedUser {
  return {
    changed,
    batch: undefined,
    isSaid: false,
    isNewer: false,
    waiting: undefined,
    waitingNewer: undefined,
  }
}
