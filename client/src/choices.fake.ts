import type { ManualClock } from './clock.fake.ts'
import type { Status } from './protocol.ts'

/** How long the server keeps a choice after the last connection of its user, in ms; and one that hides the user. */
const KEEP_MS = 5_000
const KEEP_HIDDEN_MS = 3_600_000

/** What a user chose, and when. */
export interface Choice {
  readonly status: Status
  readonly text?: string | undefined
  readonly expiresAt?: string | undefined
  readonly at: number
}

/** A connection of a user, which gets the user's choices. */
export interface ChoiceListener {
  readonly userId: string
  sendChoice(): void
}

/** What the users of the fake server have chosen, by the rules of docs/protocol-v2.md. */
export class FakeChoices {
  readonly #clock: ManualClock
  readonly #connections: ReadonlySet<ChoiceListener>
  readonly #choices = new Map<string, Choice>()
  /** When the last connection of a user was lost. */
  readonly #leftAt = new Map<string, number>()
  /** How many choices the server has forgotten. */
  forgotten = 0
  /** What others saw of each connected user, in order and without repetitions. */
  readonly visible = new Map<string, string[]>()

  constructor(clock: ManualClock, connections: ReadonlySet<ChoiceListener>) {
    this.#clock = clock
    this.#connections = connections
  }

  /** Returns a user's choice; undefined if the user has no choice, or if it is forgotten. */
  get(userId: string): Choice | undefined {
    const keepMs = this.#choices.get(userId)?.status === 'offline' ? KEEP_HIDDEN_MS : KEEP_MS
    const hasLeft = this.#of(userId).length === 0
    if (hasLeft && this.#clock.now() - (this.#leftAt.get(userId) ?? 0) > keepMs) this.#forget(userId)
    return this.#choices.get(userId)
  }

  /**
   * Takes a choice that was made at `at`, by default now. Returns false, and ignores it, if the server has a
   * newer one. All connections of the user except `by` are sent it.
   */
  choose(userId: string, choice: Omit<Choice, 'at'>, at = this.#later(userId), by?: ChoiceListener): boolean {
    const known = this.get(userId)
    if (known && known.at >= at) return false
    const own = { ...choice, at }
    this.#put(userId, own, by)
    const { expiresAt } = choice
    if (!expiresAt) return true
    this.#clock.setTimeout(() => {
      // The end of a choice keeps its time: a choice that was made meanwhile is newer.
      if (this.#choices.get(userId) === own) this.#put(userId, { status: 'online', at })
    }, Date.parse(expiresAt) - this.#clock.now())
    return true
  }

  /** A connection of the user is gone, `isClean` after a clean close, which ends the choice. */
  connectionLost(userId: string, isClean: boolean): void {
    if (this.#of(userId).length > 0) return
    if (isClean) this.#forget(userId)
    this.#leftAt.set(userId, this.#clock.now())
  }

  /** Notes in {@link FakeChoices.visible} what others see of a connected user. */
  show(userId: string): void {
    if (this.#of(userId).length === 0) return
    const { status = 'online', text } = this.#choices.get(userId) ?? {}
    const seen = status === 'offline' || !text ? status : `${status} ${text}`
    const all = this.visible.get(userId) ?? []
    if (all.at(-1) !== seen) this.visible.set(userId, [...all, seen])
  }

  forgetAll(): void {
    for (const userId of this.#choices.keys()) this.#forget(userId)
  }

  #put(userId: string, choice: Choice, by?: ChoiceListener): void {
    this.#choices.set(userId, choice)
    if (this.#of(userId).length === 0) this.#leftAt.set(userId, this.#clock.now())
    for (const connection of this.#of(userId)) if (connection !== by) connection.sendChoice()
    this.show(userId)
  }

  /** Now, or 1 ms after the user's last choice if that is later. */
  #later(userId: string): number {
    return Math.max(this.#clock.now(), (this.#choices.get(userId)?.at ?? 0) + 1)
  }

  #of(userId: string): ChoiceListener[] {
    return [...this.#connections].filter(connection => connection.userId === userId)
  }

  #forget(userId: string): void {
    if (this.#choices.delete(userId)) this.forgotten++
  }
}
