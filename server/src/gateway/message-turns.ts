import type { UserId } from '@who-is-online/protocol/words'
import { type Served, serve } from '../fanout/served.ts'
import type { Clock } from '../time/clock.ts'

/** Something whose messages wait. */
export interface Waiting extends Served {
  /** Handles the oldest message. If more wait, it calls `wait` again, when the others are to come first. */
  turn(): void
}

/** Whose messages wait in the same line. */
export type Line = string | object

/**
 * How long messages may hold one turn of the event loop, in ms. Handshakes, flushes, timers and HTTP come between two
 * turns. The most expensive message takes about 2 ms.
 */
export const MESSAGES_MS = 10

/**
 * Shares the time for messages among all clients. The event loop hands over everything that the kernel has received
 * from all sockets in one turn, and a limit for each connection does not limit their sum.
 *
 * While there is time and nobody waits, messages are handled at once. Otherwise they wait in lines. The first of each
 * line gets a turn, one line after the other. So a client waits for one message of each other line, however many
 * connections are in these lines and however much they have sent.
 */
export class MessageTurns {
  readonly #clock: Pick<Clock, 'steady'>
  readonly #budgetMs: number
  /** The lines, and in each of them those who wait, in the order of their turns. */
  readonly #lines = new Map<Line, Set<Waiting>>()
  /** When the time for messages in this turn of the event loop is used up, in `Clock.steady` time. */
  #until = 0
  #isScheduled = false

  constructor(clock: Pick<Clock, 'steady'>, budgetMs = MESSAGES_MS) {
    this.#clock = clock
    this.#budgetMs = budgetMs
  }

  /**
   * Whether a message may be handled at `now` (`Clock.steady`): nobody waits, and there is time. The time begins with
   * the first call in a turn of the event loop.
   */
  hasTime(now: number): boolean {
    if (!this.#isScheduled) this.#begin(now)
    return this.#lines.size === 0 && now < this.#until
  }

  /** Gives `one` a turn after the others of its line. It waits once at a time. */
  wait(line: Line, one: Waiting): void {
    const waiting = this.#lines.get(line)
    if (waiting) waiting.add(one)
    else this.#lines.set(line, new Set([one]))
    if (!this.#isScheduled) this.#begin(this.#clock.steady())
  }

  /** Takes one out of its line. */
  leave(line: Line, one: Waiting): void {
    const waiting = this.#lines.get(line)
    waiting?.delete(one)
    if (waiting?.size === 0) this.#lines.delete(line)
  }

  #begin(now: number): void {
    this.#until = now + this.#budgetMs
    this.#isScheduled = true
    setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    this.#isScheduled = false
    if (this.#lines.size > 0) this.#begin(this.#clock.steady())
    // A line that has had its turn goes to the end of the map, which this loop reaches again.
    for (const [line, waiting] of this.#lines) {
      if (this.#clock.steady() >= this.#until) break
      const [one] = waiting as Iterable<Waiting> as [Waiting]
      this.#lines.delete(line)
      waiting.delete(one)
      if (waiting.size > 0) this.#lines.set(line, waiting)
      serve(one, takeTurn)
    }
  }
}

function takeTurn(one: Waiting): void {
  one.turn()
}

/**
 * The line in which messages of a client wait. One client may have many connections, so it is that of the address or,
 * if the address may be that of a proxy, of the user. A user id can look like an address.
 */
export function lineOf(userId: UserId | undefined, address: string | undefined): Line | undefined {
  if (address !== undefined) return `address ${address}`
  return userId === undefined ? undefined : `user ${userId}`
}
