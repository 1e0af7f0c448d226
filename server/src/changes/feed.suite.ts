import type { ShownStatus } from '@who-is-online/protocol/words'
import { describe, expect, test } from 'vitest'
import type { ChangeFeed, NumberedChange } from './feed.ts'
import { newChange } from './testing/new-change.ts'

type Make = (recent: number, report: (error: unknown) => void) => ChangeFeed

/**
 * What every adapter of `ChangeFeed` guarantees. `make` gives one that keeps so many changes and reports bugs
 * to `report`.
 */
export function feedSuite(make: Make): void {
  const fresh = (recent = 10) => make(recent, error => expect.unreachable(String(error)))
  const textOf = ({ userId, seq }: NumberedChange) => `${userId} ${seq}`

  describe('changes', () => {
    test('[I5] each change has the next number, and all listeners are told in that order', () => {
      const changes = fresh()
      const told: string[] = []
      for (const name of ['a', 'b']) {
        changes.listen({
          changed: all => told.push(`${name} ${all.map(textOf)}`),
        })
      }
      expect(changes.seq).toBe(0)
      changes.append([newChange('ann'), newChange('bob')])
      changes.append([])
      changes.append([newChange('ann')])
      // A listener need not have `chosen`.
      changes.chosen({ userId: 'ann', choice: { status: 'busy' }, madeAt: 1 }, undefined)
      expect(changes.seq).toBe(3)
      expect(told).toEqual(['a ann 1,bob 2', 'b ann 1,bob 2', 'a ann 3', 'b ann 3'])
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
        changed: all => told.push(`changed ${all.map(textOf)}`),
        chosen: ({ userId }, bySession) => told.push(`${userId} by ${bySession}`),
      })
      changes.append([newChange('ann')])
      changes.chosen({ userId: 'ann', choice: { status: 'busy' }, madeAt: 1 }, 'tab')
      expect(told).toEqual(['changed ann 1', 'ann by tab'])
      expect(reported.map(String)).toEqual(['Error: planted', 'Error: planted'])
    })

    test('[V3] what changed after a place is known as long as it is recent, and only in its epoch', () => {
      const changes = fresh(3)
      const { epoch } = changes
      for (const userId of ['a', 'b', 'a', 'c']) changes.append([newChange(userId)])
      expect([0, 1, 4, 5].map(seq => changes.recalls({ epoch, seq }))).toEqual([false, true, true, false])
      expect(changes.recalls({ epoch: `${epoch}x`, seq: 4 })).toBe(false)
      expect(changes.changedAfter(0)).toBeUndefined()
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

    test('[I5] the changes of one entry of a log have its number, in one call, and numbers have gaps', () => {
      const changes = fresh()
      const told: string[] = []
      changes.listen({ changed: all => told.push(`${all.map(textOf)} at ${changes.seq}`) })
      changes.append(['ann', 'bob'].map(newChange), 5)
      changes.append([], 6)
      changes.append(['ann', 'eve', 'ann'].map(newChange), 9)
      expect(told).toEqual(['ann 5,bob 5 at 5', 'ann 9,eve 9,ann 9 at 9'])
      expect(changes.seq).toBe(9)
      expect(['ann', 'bob', 'eve'].map(userId => changes.newestOf(userId))).toEqual([9, 5, 9])
      expect([0, 4, 5, 6, 8, 9, 10].map(seq => changes.changedAfter(seq))).toEqual([
        ...[0, 4].map(() => ['bob', 'eve', 'ann']),
        ...[5, 6, 8].map(() => ['eve', 'ann']),
        ...[9, 10].map(() => []),
      ])
      // Numbers that are not given go on from there.
      changes.append(['bob', 'eve'].map(newChange))
      expect(told.at(-1)).toBe('bob 10,eve 11 at 11')
    })

    test('[I5] a page of changes is cut only between numbers', () => {
      const changes = fresh(6)
      changes.append([newChange('old')], 1)
      changes.append(['ann', 'bob', 'eve'].map(newChange), 4)
      changes.append([newChange('ann')], 6)
      changes.append(['joe', 'kim'].map(newChange), 7)
      const page = (seq: number, limit: number) => changes.after(seq, limit)?.map(textOf).join()
      expect(page(0, 9)).toBeUndefined()
      expect([page(1, 1), page(1, 3), page(3, 4)]).toEqual([
        'ann 4,bob 4,eve 4',
        'ann 4,bob 4,eve 4',
        'ann 4,bob 4,eve 4,ann 6',
      ])
      expect([page(4, 1), page(4, 2), page(6, 9), page(7, 9)]).toEqual([
        'ann 6',
        'ann 6,joe 7,kim 7',
        'joe 7,kim 7',
        '',
      ])
      expect(changes.syncedSeq).toBe(7)
    })

    test('a change says when the previous status began, if a recent change tells it', () => {
      const changes = fresh(3)
      const told: string[] = []
      changes.listen({
        changed: ([change]) =>
          told.push(`${change?.userId} ${change?.previousStatus} ${change?.previousSince}`),
      })
      const change = (userId: string, status: ShownStatus, previousStatus: ShownStatus, at: number) =>
        changes.append([{ ...newChange(userId), status, previousStatus, at }])
      change('ann', 'offline', 'online', 10)
      change('ann', 'online', 'offline', 20)
      change('ann', 'online', 'online', 30)
      change('ann', 'busy', 'online', 40)
      // This does not continue what the feed knows.
      change('ann', 'busy', 'away', 50)
      changes.append([{ ...newChange('ann'), previousStatus: 'busy', previousSince: 45 }])
      for (const userId of ['bob', 'eve', 'joe', 'ann']) change(userId, 'offline', 'online', 60)
      expect(told.map(text => text.split(' ').at(-1)).join()).toBe('0,10,20,20,0,45,0,0,0,0')
    })

    test('[V3] a number that was reached without a change is a place to resume from, and no listener is told', () => {
      const changes = fresh(2)
      const { epoch } = changes
      const told: string[] = []
      changes.listen({ changed: all => told.push(`${all.map(textOf)}`) })
      changes.reached(4)
      expect([changes.seq, changes.changedAfter(0)]).toEqual([4, []])
      changes.append([newChange('ann')], 6)
      changes.reached(8)
      // The number never goes back.
      changes.reached(7)
      expect(changes.seq).toBe(8)
      expect([4, 7, 8, 9].map(seq => changes.recalls({ epoch, seq }))).toEqual([true, true, true, false])
      expect([5, 6, 7].map(seq => changes.changedAfter(seq))).toEqual([['ann'], [], []])
      expect(changes.newestOf('ann')).toBe(6)
      expect(told).toEqual(['ann 6'])
    })

    test('[V3] if only a part of an entry is kept, a client can resume from its number, and from none before', () => {
      const changes = fresh(3)
      const { epoch } = changes
      changes.append(['ann', 'bob'].map(newChange), 2)
      const resumable = () => [0, 1, 2, 5, 6, 7].filter(seq => changes.recalls({ epoch, seq }))
      const known = () => [0, 1, 2, 5, 6, 7].filter(seq => changes.changedAfter(seq) !== undefined)
      expect(resumable()).toEqual([0, 1, 2])
      changes.append(['eve', 'joe'].map(newChange), 6)
      expect(changes.newestOf('ann')).toBe(0)
      expect(changes.newestOf('bob')).toBe(2)
      expect(resumable()).toEqual([2, 5, 6])
      expect(known()).toEqual([2, 5, 6, 7])
      expect(changes.changedAfter(2)).toEqual(['eve', 'joe'])
      // An entry of more changes than are kept, some of one user: the newest of them is kept.
      changes.append(['ann', 'ann', 'bob', 'ann', 'bob'].map(newChange), 7)
      expect(resumable()).toEqual([7])
      expect(known()).toEqual([7])
      expect(['ann', 'bob', 'eve'].map(userId => changes.newestOf(userId))).toEqual([7, 7, 0])
      expect(changes.changedAfter(7)).toEqual([])
    })

    test('[E20] changes that are dropped are known no more, and who was not told them can not resume', () => {
      const changes = fresh(4)
      const { epoch } = changes
      for (const userId of ['ann', 'bob', 'ann', 'eve', 'joe']) changes.append([newChange(userId)])
      expect([changes.erase('ann'), changes.erase('nobody')]).toEqual([3, 0])
      // Until then, those who are behind are told the last change.
      expect(changes.changedAfter(2)).toEqual(['ann', 'eve', 'joe'])
      changes.drop(3)
      expect(changes.changedAfter(2)).toBeUndefined()
      expect(changes.after(2, 9)).toBeUndefined()
      expect([2, 3, 5].map(seq => changes.recalls({ epoch, seq }))).toEqual([false, true, true])
      expect(['ann', 'bob', 'eve'].map(userId => changes.newestOf(userId))).toEqual([0, 0, 4])
      expect(changes.changedAfter(3)).toEqual(['eve', 'joe'])
      for (const userId of ['kim', 'lou', 'max', 'bob']) changes.append([newChange(userId)])
      expect(changes.changedAfter(5)).toEqual(['kim', 'lou', 'max', 'bob'])
      expect(changes.changedAfter(4)).toBeUndefined()
    })
  })
}
