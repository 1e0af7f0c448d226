import type { ManualClock } from './clock.fake.ts'
import type { Position, User } from './protocol.ts'

/** Size of the change log: small, so that a few changes exceed it. */
const LOG_SIZE = 10

/** Delay between the first change of a batch and its flush, in ms. */
const BATCH_MS = 10

/** The users of the fake server, and the log of their changes. */
export class FakeUsers {
  readonly byId = new Map<string, User>()
  epoch = 'e1'
  seq = 100
  readonly #clock: ManualClock
  readonly #random: () => number
  readonly #flush: () => void
  /** Counts all versions of all users; the text of a user shows its version. */
  #version = 0
  #log: { readonly seq: number; readonly userId: string }[] = []
  #epochs = 1
  #isFlushDue = false

  /** `flush` is called after each batch of changes. */
  constructor(clock: ManualClock, random: () => number, flush: () => void) {
    this.#clock = clock
    this.#random = random
    this.#flush = flush
  }

  /** Returns a user as others see it; an unknown one is offline. */
  get(userId: string): User {
    return this.byId.get(userId) ?? { userId, status: 'offline', lastSeen: null }
  }

  online(): User[] {
    return [...this.byId.values()].filter(user => user.status !== 'offline')
  }

  get onlineCount(): number {
    return this.online().length
  }

  /** Changes a user, with the next number. */
  change(userId: string, status: User['status']): void {
    const lastSeen = new Date(this.#clock.now()).toISOString()
    this.byId.set(userId, { userId, status, lastSeen, text: `v${++this.#version}` })
    this.#log.push({ seq: ++this.seq, userId })
    this.#log = this.#log.slice(-LOG_SIZE)
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    this.#clock.setTimeout(() => {
      this.#isFlushDue = false
      this.#flush()
    }, BATCH_MS)
  }

  /** Returns whether the log has all changes after a position. */
  recalls({ epoch, seq }: Position): boolean {
    return epoch === this.epoch && seq <= this.seq && seq >= (this.#log[0]?.seq ?? this.seq + 1) - 1
  }

  changedAfter(seq: number): Set<string> {
    return new Set(this.#log.filter(entry => entry.seq > seq).map(entry => entry.userId))
  }

  /** Starts another epoch with an empty log. Half of the users are offline, without a change. */
  restart(): void {
    this.epoch = `e${++this.#epochs}`
    this.seq = Math.floor(this.#random() * 200)
    this.#log = []
    for (const [userId, user] of this.byId) {
      if (this.#random() < 0.5)
        this.byId.set(userId, { ...user, status: 'offline', text: `v${++this.#version}` })
    }
  }
}
