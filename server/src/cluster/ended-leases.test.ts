import { expect, test } from 'vitest'
import type { LeaseTold } from '../presence/lease.ts'
import { EndedLeases } from './ended-leases.ts'
import type { NodeFact } from './entry.ts'

const T = 1_000_000

test.each([
  { what: 'moved here, and renewed here at once', since: T - 1, renewedAt: T + 990, isSaid: true },
  {
    what: 'is there too since the same time, and was renewed here later',
    since: T,
    renewedAt: T,
    isSaid: true,
  },
  { what: 'moved there later, by another reading of the clock', since: T + 1, renewedAt: T, isSaid: false },
  { what: 'moved there, and was renewed there at once', since: T + 1, renewedAt: T + 990, isSaid: false },
  { what: 'was renewed there later', since: T - 1, renewedAt: T + 1_100, isSaid: false },
])(
  '[N11] the end of a lease that the log has elsewhere is said: it $what: $isSaid',
  ({ since, renewedAt, isSaid }) => {
    const own: LeaseTold = {
      sessionId: 'agent',
      openedAt: T,
      since: T,
      leftMs: 1,
      ageMs: 0,
      notBefore: T,
      ttlMs: 9,
    }
    let leases: readonly LeaseTold[] = [own]
    const other: NodeFact = {
      ...{ p: 1, n: 0, h: T, s: { agent: since } },
      l: { agent: [T + 60_000, renewedAt, 60_000, T, -1] },
    }
    const ended = new EndedLeases({
      node: 'a',
      present: () => ({ leases }),
      fold: {
        *factsOf() {
          yield ['b', other] as const
        },
      },
      time: () => T + 1_000,
    })
    expect(ended.changed(['bot'])).toEqual([])
    leases = []
    expect(ended.changed(['bot'])).toEqual(isSaid ? [['bot', 'agent', T + 1_000]] : [])
  },
)
