import fc from 'fast-check'
import { expect, test } from 'vitest'
import { UserSessions } from './user-sessions.ts'

const id = fc.constantFrom('a', 'b', 'c')
const act = fc.oneof(
  fc.record({ do: fc.constant('open' as const), id, named: fc.boolean() }),
  fc.record({ do: fc.constant('hold' as const), id, until: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ do: fc.constant('end' as const), id }),
  fc.record({ do: fc.constant('endAll' as const) }),
  fc.record({ do: fc.constant('endHeld' as const), at: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ do: fc.constant('restore' as const), isIdle: fc.boolean(), isInactive: fc.boolean() }),
  fc.record({
    do: fc.constant('change' as const),
    id,
    what: fc.record({ isIdle: fc.boolean(), isInactive: fc.boolean() }, { requiredKeys: [] }),
  }),
)

/** A session as the counts see it. */
interface Counted {
  readonly id: string
  readonly isNamed: boolean
  readonly until: number | undefined
  isIdle: boolean
  isInactive: boolean
}

/** Does the same without counting, in the simplest way. */
class Uncounted {
  all: Counted[] = []

  take(one: Counted | undefined): Counted | undefined {
    this.all = this.all.filter(other => other !== one)
    return one
  }

  live(id: string): Counted | undefined {
    return this.all.find(session => session.until === undefined && session.id === id)
  }
}

test('the counts agree with the sessions after any sequence of acts', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 30 }), acts => {
      const sessions = new UserSessions()
      const plain = new Uncounted()
      for (const step of acts) {
        switch (step.do) {
          case 'open': {
            sessions.open(step, 0)
            const own = step.named ? plain.all.find(({ id }) => id === step.id) : undefined
            const before = own ?? plain.all.find(({ until, isNamed }) => until !== undefined && !isNamed)
            const isIdle = plain.take(before)?.isIdle ?? false
            plain.all.push({ id: step.id, isNamed: step.named, until: undefined, isIdle, isInactive: false })
            break
          }
          case 'hold': {
            const lost = plain.take(plain.live(step.id))
            const until = lost?.isInactive ? step.until + 1 : step.until
            expect(sessions.hold(step.id, step.until, step.until + 1)).toBe(until)
            if (lost) plain.all.push({ ...lost, until })
            break
          }
          case 'end':
            expect(sessions.end(step.id)).toBe(plain.take(plain.live(step.id)) !== undefined)
            break
          case 'endAll':
            sessions.endAll()
            plain.all = []
            break
          case 'endHeld':
            sessions.endHeld(step.at)
            plain.all = plain.all.filter(({ until = Number.POSITIVE_INFINITY }) => until > step.at)
            break
          case 'restore':
            sessions.restore(step.isIdle, step.isInactive, 3)
            plain.all.push({ ...step, id: '', isNamed: false, until: 3 })
            break
          case 'change': {
            sessions.change(step.id, step.what)
            const live = plain.live(step.id)
            if (live) Object.assign(live, step.what)
            break
          }
        }
        const { all } = plain
        const together = all.every(({ isIdle }) => isIdle) ? 'idle' : 'active'
        expect(sessions.size).toBe(all.length)
        expect(sessions.state).toBe(all.length === 0 ? 'none' : together)
        expect(sessions.liveCount).toBe(all.filter(({ until }) => until === undefined).length)
        expect(sessions.hasInactive).toBe(all.some(({ isInactive }) => isInactive))
      }
    }),
  )
})
