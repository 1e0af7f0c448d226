import type { Checks } from './checks.ts'
import { type Found, missing } from './choices.ts'
import { forgotten } from './known-users.ts'
import type { Population } from './population.ts'
import { queryUsers } from './query.ts'

/** How far `lastSeen` may be from the time at which a client left, in ms: it is the last sign of life. */
const SEEN_MS = 45_000

export interface InspectionOptions {
  readonly url: string
  readonly checks: Checks
  readonly population: Population
  /** Users whom the server knows from before the run, with their `lastSeen`. */
  readonly known: ReadonlyMap<string, string>
  /** See `RunContext.clock`. */
  readonly clock: () => string
}

/** Queries all users and compares them with what must be known. */
export class Inspection {
  readonly #options: InspectionOptions

  constructor(options: InspectionOptions) {
    this.#options = options
  }

  /** @param killedAt what was acknowledged shortly before that (steady time, ms) may be lost */
  async inspect(when: string, killedAt: number): Promise<ReadonlyMap<string, Found> | undefined> {
    const { url, checks, known, clock, population } = this.#options
    const clockBefore = clock()
    const found = await queryUsers(url, [...known.keys(), ...population.userIds()]).catch(
      (error: Error) => error,
    )
    if (found instanceof Error) {
      checks.violate('I10', `${when} the query failed: ${found.message}`)
      return undefined
    }
    const statuses = new Map([...found].map(([userId, { status }]) => [userId, status]))
    checks.synced('inspector', statuses)
    checks.lost('inspector')
    this.#checkKnown(when, found, clockBefore.startsWith('right') && clockBefore === clock())
    this.#checkChoices(when, found, killedAt)
    return found
  }

  /** The clock is right again, so `lastSeen` must be right. */
  checkSeen(found: ReadonlyMap<string, Found>, now: number): void {
    const { checks, population } = this.#options
    const check = (userId: string, from: number, to: number) => {
      checks.checked('lastSeen')
      const seen = Date.parse(found.get(userId)?.lastSeen ?? '')
      if (seen >= from && seen <= to) return
      const expected = `from ${new Date(from).toISOString()} to ${new Date(to).toISOString()}`
      checks.violate(
        'lastSeen',
        `${userId} was seen ${expected}, the server says ${found.get(userId)?.lastSeen}`,
      )
    }
    for (const { connection } of population.steady) check(connection.userId, now - SEEN_MS, now + 2_000)
    for (const { userId, leftAt } of population.visitors) {
      if (leftAt !== undefined) check(userId, leftAt - SEEN_MS, leftAt + SEEN_MS)
    }
  }

  #checkKnown(when: string, found: ReadonlyMap<string, Found>, isClockRight: boolean): void {
    const { checks, known } = this.#options
    checks.checked('forgotten', known.size)
    for (const text of forgotten(known, found, isClockRight)) checks.violate('forgotten', `${when}: ${text}`)
    if (forgotten(known, without(found, 'known-0'), isClockRight).length > 0)
      checks.violateInControl('forgotten', when)
  }

  #checkChoices(when: string, found: ReadonlyMap<string, Found>, killedAt: number): void {
    const { checks, population } = this.#options
    for (const { connection, choices, isBack } of population.steady) {
      const user = found.get(connection.userId)
      if (!user) continue
      const how = { killedAt, hasText: connection.version === 'v2', isBack }
      checks.checked('I8')
      const text = missing(choices, user, how)
      if (text !== undefined) checks.violate('I8', `${when}: ${connection.userId}: ${text}`)
      // The control sees the state before the last choice.
      const older = { ...user, username: `name-${Number(user.username?.slice('name-'.length)) - 1}` }
      if (missing(choices, older, how) !== undefined) checks.violateInControl('I8', when)
    }
  }
}

function without<Value>(map: ReadonlyMap<string, Value>, key: string): ReadonlyMap<string, Value> {
  const less = new Map(map)
  less.delete(key)
  return less
}
