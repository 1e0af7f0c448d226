import { describe, expect, test } from 'vitest'
import type { ChangeFeed } from './feed.ts'
import { newChange } from './testing/new-change.ts'

/**
 * What every adapter of `ChangeFeed` guarantees. `make` gives one that keeps so many changes and reports bugs
 * to `report`.
 */
export function feedSuite(make: (recent: number, report: (error: unknown) => void) => ChangeFeed): void {
  const fresh = (recent = 10) => make(recent, error => expect.unreachable(String(error)))

  describe('changes', () => {
    test('[I5] each change has the next number, and all listeners are told in that order', () => {
      const changes = fresh()
      const told: string[] = []
      for (const name of ['a', 'b']) {
        changes.listen({
          changed: (all, seq) => told.push(`${name} ${all.map(({ userId }) => userId)} ${seq}`),
        })
      }
      expect(changes.seq).toBe(0)
      changes.append([newChange('ann'), newChange('bob')])
      changes.append([])
      changes.append([newChange('ann')])
      // A listener need not have `chosen`.
      changes.chosen({ userId: 'ann', choice: { status: 'busy' }, madeAt: 1 }, undefined)
      expect(changes.seq).toBe(3)
      expect(told).toEqual(['a ann,bob 2', 'b ann,bob 2', 'a ann 3', 'b ann 3'])
    })

    test('[C2] a listener that throws is reported, and the others are told', () => {
      const reported: unknown[] = []
      const changes = make(10, error => reported.push(error))
      const told: string[] = []
      const broken = () => {
        throw new Error('planted')
      }
      changes.listen({ changed: broken, chosen: broken })
      changes.listen({
        changed: (_all, seq) => told.push(`changed ${seq}`),
        chosen: ({ userId }, bySession) => told.push(`${userId} by ${bySession}`),
      })
      changes.append([newChange('ann')])
      changes.chosen({ userId: 'ann', choice: { status: 'busy' }, madeAt: 1 }, 'tab')
      expect(told).toEqual(['changed 1', 'ann by tab'])
      expect(reported.map(String)).toEqual(['Error: planted', 'Error: planted'])
    })

    test('[V3] what changed after a place is known as long as it is recent, and only in its epoch', () => {
      const changes = fresh(3)
      const { epoch } = changes
      for (const userId of ['a', 'b', 'a', 'c']) changes.append([newChange(userId)])
      expect([0, 1, 4, 5].map(seq => changes.recalls({ epoch, seq }))).toEqual([false, true, true, false])
      expect(changes.recalls({ epoch: `${epoch}x`, seq: 4 })).toBe(false)
      expect(changes.changedAfter(1)).toEqual(['b', 'a', 'c'])
      expect(changes.changedAfter(2)).toEqual(['a', 'c'])
      expect(changes.changedAfter(4)).toEqual([])
      // Each user once, also if several of their changes are recent.
      const repeated = fresh()
      repeated.append(['a', 'b', 'a'].map(newChange))
      expect(repeated.changedAfter(0)).toEqual(['b', 'a'])
      expect(['a', 'b', 'c', 'd'].map(userId => changes.newestOf(userId))).toEqual([3, 2, 4, 0])
      changes.append([newChange('d'), newChange('d')])
      expect(['a', 'b', 'c', 'd'].map(userId => changes.newestOf(userId))).toEqual([0, 0, 4, 6])
    })
  })
}
