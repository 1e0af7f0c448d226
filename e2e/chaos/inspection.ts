import type { Checks } from './checks.ts'
import type { Population } from './population.ts'
import { queryUsers } from './query.ts'
import type { ServerClock } from './server-clock.ts'

export interface InspectionOptions {
  readonly url: string
  readonly checks: Checks
  readonly population: Population
  /** Users whom the server knows from before the run, with their `lastSeen`. */
  readonly known: ReadonlyMap<string, string>
  readonly clock: ServerClock
}

/** Queries all users and compares them with what must be known. */
export class Inspection {
  readonly #options: InspectionOptions

  constructor(options: InspectionOptions) {
    this.#options = options
  }

  /** @param killedAt what was acknowledged shortly before that (steady time, ms) may be lost */
  async inspect(when: string, killedAt = performance.now()): Promise<void> {
    const { url, checks, known, clock, population } = this.#options
    const { era } = clock
    const before = population.seen()
    const found = await queryUsers(url, [...known.keys(), ...population.userIds()]).catch(
      (error: Error) => error,
    )
    if (found instanceof Error) return checks.violate('I10', `${when} the query failed: ${found.message}`)
    checks.synced('inspector', new Map([...found].map(([userId, { status }]) => [userId, status])))
    checks.lost('inspector')
    // Users who left or came back meanwhile are left out.
    const seen = new Map([...population.seen()].filter(([userId]) => before.has(userId)))
    const choices = population.steady.map(({ connection, choices, isBack }) => ({
      userId: connection.userId,
      hasText: connection.version === 'v2',
      choices,
      isBack,
    }))
    const isComparable = clock.isRight && era === clock.era
    const { tooLateMs } = clock
    checks.found(when, found, { known, seen: isComparable ? seen : undefined, tooLateMs, choices, killedAt })
  }
}
