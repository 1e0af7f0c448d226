import type { UserId } from '@who-is-online/protocol/words'
import type { Fact } from '../presence/fact.ts'
import { type ChangedUser, type ComposePort, compose, contentOf, type Items, KINDS } from './compose.ts'
import type { RegisterKey } from './entry.ts'
import type { Touched } from './log.ts'

/** What {@link Unplaced} reads. */
export type UnplacedPort = Omit<ComposePort, 'unread'>

/** A batch that was read back. */
export interface Placed {
  readonly userIds: readonly UserId[]
  readonly facts: readonly Fact[]
}

/**
 * What this node knows and has not read back from the log. It is a set of users, not a queue. At most one batch is on
 * its way. It is placed when its entry is read back, and only then the next one is composed.
 */
export class Unplaced {
  readonly #port: UnplacedPort
  readonly #changed = new Map<UserId, ChangedUser>()
  #batch: ReadonlyMap<UserId, ChangedUser> = new Map()
  /** The values of the batch, and of earlier batches whose outcome is not known. */
  readonly #unread = new Map<RegisterKey, string>()

  constructor(port: UnplacedPort) {
    this.#port = port
  }

  /**
   * Adds what was decided; see `FactLog.append`.
   *
   * @param at the time of the stamps, in ms since the epoch by the clock of Redis
   */
  add(facts: readonly Fact[], { records, forgotten }: Touched, at: number): void {
    for (const { userId } of records) this.#add(userId, { fact: undefined, isRenamed: false, at })
    for (const userId of forgotten) this.#add(userId, { fact: undefined, isRenamed: false, at })
    for (const fact of facts) {
      const known = contentOf(`n:${fact.userId}`, this.#port.fold)
      this.#add(fact.userId, { fact, isRenamed: JSON.stringify(fact.username ?? null) !== known, at })
    }
  }

  /** Adds users for an assertion. */
  assert(userIds: Iterable<UserId>, at: number): void {
    for (const userId of userIds) this.#add(userId, { fact: undefined, isRenamed: true, at })
  }

  /** Whether there are users who are not in the batch. */
  get hasChanged(): boolean {
    return this.#changed.size > 0
  }

  /** Whether a batch is on its way. */
  get hasBatch(): boolean {
    return this.#batch.size > 0
  }

  /** Whether the log may have, or get, something of a user that this node has not read back. */
  isUnread(userId: UserId): boolean {
    return this.#batch.has(userId) || this.#unread.has(`c:${userId}`) || this.#unread.has(`v:${userId}`)
  }

  /**
   * Composes the next batch, with at most `limit` users.
   *
   * @param isAssertion see {@link compose}
   */
  compose(limit: number, isAssertion = false): Items {
    const batch = new Map<UserId, ChangedUser>()
    for (const [userId, changed] of this.#changed) {
      if (batch.size === limit) break
      batch.set(userId, changed)
      this.#changed.delete(userId)
    }
    const items = compose(batch, { ...this.#port, unread: key => this.#unread.get(key) }, isAssertion)
    this.#batch = batch
    for (const [key, value] of items.registers) this.#unread.set(key, value)
    return items
  }

  /** The batch was read back. Returns its users, with the facts that are no longer pending. */
  placed(): Placed {
    const batch = this.#batch
    this.#batch = new Map()
    for (const userId of batch.keys()) {
      for (const kind of KINDS) this.#unread.delete(`${kind}:${userId}`)
    }
    return { userIds: [...batch.keys()], facts: [...batch.values()].flatMap(({ fact }) => fact ?? []) }
  }

  /**
   * The batch must be said again. Call it when it is not known whether the log has the batch, and when the log has an
   * earlier content of the same batch number.
   */
  again(): void {
    const batch = this.#batch
    this.#batch = new Map()
    for (const [userId, changed] of batch) {
      const newer = this.#changed.get(userId)
      this.#changed.delete(userId)
      this.#add(userId, changed)
      if (newer) this.#add(userId, newer)
    }
  }

  #add(userId: UserId, { fact, isRenamed, at }: ChangedUser): void {
    const known = this.#changed.get(userId)
    this.#changed.set(userId, {
      fact: fact ?? known?.fact,
      isRenamed: isRenamed || known?.isRenamed === true,
      // A session that is opened later does not make a choice newer.
      at: fact || !known?.fact ? at : known.at,
    })
  }
}
