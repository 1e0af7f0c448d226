import type { UserId } from '@who-is-online/protocol/words'
import { type Arrival, Here, type Step } from '../here.ts'
import { LastSeenCorrection } from '../last-seen-correction.ts'
import type { PresenceOptions } from '../options.ts'
import type { User } from '../user.ts'
import { View } from '../view.ts'
import { WallClock } from '../wall-clock.ts'
import { DEFAULTS } from './options.ts'
import { named } from './scenario.ts'

/** The parts that presence is made of, for tests of the modules that only read them. Each session has the id `s`. */
export class Parts {
  readonly options: PresenceOptions
  readonly wall = new WallClock()
  readonly here: Here
  readonly view: View
  readonly correction: LastSeenCorrection

  constructor(options: Partial<PresenceOptions> = {}) {
    this.options = { ...DEFAULTS, ...options }
    const signOfLife = (userId: UserId) => {
      const user = this.here.get(userId)
      return user && this.here.signOfLife(user)
    }
    this.here = new Here(this.options, this.wall, userId => this.view.get(userId))
    this.view = new View(this.wall, signOfLife)
    this.correction = new LastSeenCorrection(this.wall, this.view, signOfLife)
  }

  /** Makes a fact visible that was decided, if any. */
  apply(step: Step | undefined): void {
    if (!step?.fact) return
    this.correction.decided(step.fact, step.isOwnSign)
    this.here.applied(step.fact)
    this.view.apply(step.fact)
  }

  /** A user opens a session, and others see it. */
  come(userId: UserId, now: number, arrival: Arrival = {}): User {
    const step = this.here.open(userId, named('s'), now, arrival)
    this.apply(step)
    return step.user
  }

  /** A user opens a session and leaves it, and others see both. */
  visit(userId: UserId, now: number, arrival: Arrival = {}): void {
    this.apply(this.here.leave(this.come(userId, now, arrival), 's', now))
  }

  /** The wall clock is set by `ms` to `now`. */
  jump(ms: number, now: number): void {
    const jump = this.wall.jump(ms, now)
    this.here.jumped(ms)
    this.correction.jumped(jump)
  }
}
