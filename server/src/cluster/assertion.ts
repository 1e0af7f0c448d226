import type { Sent } from './batches.ts'
import type { Host } from './command.ts'
import type { Entry, Place, RegisterKey } from './entry.ts'
import type { Members } from './members.ts'
import type { Outbox } from './outbox.ts'
import { BEFORE_ALL, isBefore } from './place.ts'

/** So many registers are written back in one step. */
const WRITE_BACK = 500

/**
 * Tells the others all that this node knows, from `join` to `end`: the users, and before `end` the registers that Redis
 * may have lost. It begins again whenever that may be necessary.
 */
export class Assertion {
  readonly #host: Pick<Host, 'users' | 'unrepeatedRegisters'>
  readonly #members: Members
  readonly #outbox: Outbox
  /** `join` and `end` are the next entries; `ending`: `end` was appended; `done`: `end` was read back. */
  #step: 'join' | 'end' | 'ending' | 'done' = 'join'
  #number = 0
  #joinPlace = BEFORE_ALL
  #endBatch = 0
  #doneAt = 0
  /** The registers that this node still writes back, before its `end`. */
  #writesBack: Iterator<RegisterKey> | undefined
  /** Whether the assertion contains all registers. */
  #isComplete = false

  constructor(host: Pick<Host, 'users' | 'unrepeatedRegisters'>, members: Members, outbox: Outbox) {
    this.#host = host
    this.#members = members
    this.#outbox = outbox
  }

  /** The number of this assertion. */
  get number(): number {
    return this.#number
  }

  /** Its next entry; `undefined` if all was appended. */
  get next(): 'join' | 'end' | undefined {
    return this.#step === 'join' || this.#step === 'end' ? this.#step : undefined
  }

  /** Whether `end` was appended, and not read back. */
  get isEnding(): boolean {
    return this.#step === 'ending'
  }

  /** When `end` was read back; `undefined` before. */
  get doneAt(): number | undefined {
    return this.#step === 'done' ? this.#doneAt : undefined
  }

  /** Whether registers are still written back. */
  get isWritingBack(): boolean {
    return this.#writesBack !== undefined
  }

  /** Whether Redis has all registers that this node knows, when the assertion has ended. */
  get isComplete(): boolean {
    return this.#isComplete
  }

  /** Whether a place comes before the last `join`. */
  isBeforeJoin(place: Place): boolean {
    return isBefore(place, this.#joinPlace)
  }

  /** Begins a new assertion. */
  begin(): void {
    this.#step = 'join'
    this.#number++
  }

  /** Puts what is said after `join` into the outbox, besides the registers. */
  join(isEldest: boolean): void {
    this.#outbox.add({ users: this.#host.users() })
    // The eldest member is the first to write back, so the others repeat only what it does not know.
    this.#isComplete = isEldest && !this.#members.isWrittenBack
    const writesBack = this.#isComplete || this.#members.isWrittenBack
    this.#writesBack = writesBack ? this.#host.unrepeatedRegisters()[Symbol.iterator]() : undefined
  }

  /** Puts the next registers that Redis may have lost into the outbox. */
  writeBack(): void {
    for (let count = 0; this.#writesBack && count < WRITE_BACK; count++) {
      const { done, value } = this.#writesBack.next()
      if (done) this.#writesBack = undefined
      else this.#outbox.add({ registers: [value] })
    }
  }

  /** An own entry is in the log. */
  landed({ kind, batch, assertion }: Sent, place: Place): void {
    const isCurrent = assertion === this.#number
    if (kind === 'join') {
      this.#joinPlace = place
      if (isCurrent) this.#step = 'end'
    }
    if (kind === 'end' && isCurrent) {
      this.#step = 'ending'
      this.#endBatch = batch
    }
  }

  /** The connection was closed: what was appended may be lost. */
  disconnected(): void {
    if (this.#step === 'ending') this.#step = 'end'
  }

  /** An own entry was read back. Returns whether the assertion is done with it. */
  readBack({ kind, batch }: Entry, now: number): boolean {
    if (kind !== 'end' || this.#step !== 'ending' || batch !== this.#endBatch) return false
    this.#step = 'done'
    this.#doneAt = now
    return true
  }
}
