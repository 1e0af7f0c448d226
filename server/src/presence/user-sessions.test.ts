import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FEW_SESSIONS, UserSessions } from './user-sessions.ts'

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

test('a sign of life counts for its session, however many there are and whatever became of the others', () => {
  const many = fc.integer({ min: 0, max: 3 * FEW_SESSIONS }).map(String)
  const each = fc.oneof(
    { weight: 8, arbitrary: fc.record({ do: fc.constant('open' as const), id: many }) },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('heard' as const), id: many }) },
    fc.record({ do: fc.constant('hold' as const), id: many }),
    fc.record({ do: fc.constant('end' as const), id: many }),
    fc.record({ do: fc.constant('change' as const), id: many }),
    fc.record({ do: fc.constantFrom('endAll' as const, 'endHeld' as const, 'show' as const), id: many }),
  )
  let greatest = 0
  fc.assert(
    fc.property(fc.array(each, { minLength: 60, maxLength: 200 }), acts => {
      const sessions = new UserSessions()
      const plain = new Map<string, { at: number; isLive: boolean }>()
      for (const [index, step] of acts.entries()) {
        const own = plain.get(step.id)
        const live = own?.isLive ? own : undefined
        const now = index + 1
        switch (step.do) {
          case 'open':
            sessions.open({ id: step.id, named: true }, now)
            plain.set(step.id, { at: now, isLive: true })
            break
          case 'heard':
            sessions.heard(step.id, now)
            if (live) live.at = now
            break
          case 'hold':
            sessions.hold(step.id, 1, 1)
            if (live) live.isLive = false
            break
          case 'end':
            sessions.end(step.id)
            if (live) plain.delete(step.id)
            break
          case 'change':
            sessions.change(step.id, { isIdle: true })
            break
          case 'endAll':
            sessions.endAll()
            plain.clear()
            break
          case 'endHeld':
            sessions.endHeld(1)
            for (const [id, { isLive }] of plain) if (!isLive) plain.delete(id)
            break
          case 'show':
            sessions.showSince(now)
            for (const one of plain.values()) one.at = now
        }
        greatest = Math.max(greatest, plain.size)
        expect(sessions.isLive(step.id)).toBe(plain.get(step.id)?.isLive === true)
        expect(new Map(sessions.all.map(({ id, aliveAt }) => [id, aliveAt]))).toEqual(
          new Map(Array.from(plain, ([id, { at }]) => [id, at])),
        )
      }
    }),
  )
  expect(greatest).toBeGreaterThan(FEW_SESSIONS)
})
