import { describe, expect, test } from 'vitest'
import type { Cause, Fact } from '../presence/fact.ts'
import type { FactLog } from './log.ts'

/**
 * Checks that a log does what {@link FactLog} promises. `settled` resolves when everything appended was given
 * back.
 */
export function factLogSuite(name: string, make: () => { log: FactLog; settled: () => Promise<void> }): void {
  describe(`${name} keeps the promises of FactLog`, () => {
    test('all facts are given back, each once and in their order', async () => {
      const { log, settled } = make()
      const applied: Fact[] = []
      log.listen(facts => applied.push(...facts))
      void log.append([fact('ann', 1), fact('bob', 2)])
      void log.append([])
      void log.append([fact('ann', 3)])
      await settled()
      expect(applied).toEqual([fact('ann', 1), fact('bob', 2), fact('ann', 3)])
    })

    test('facts of one call become visible together', async () => {
      const { log, settled } = make()
      const calls: number[] = []
      log.listen(facts => calls.push(facts.length))
      void log.append([fact('ann', 1), fact('bob', 1), fact('eve', 1)])
      await settled()
      expect(calls).toEqual([3])
    })

    test('[W9] when append is done, its facts and all before are visible', async () => {
      const { log } = make()
      const applied: number[] = []
      log.listen(facts => applied.push(...facts.map(({ at }) => at)))
      void log.append([fact('ann', 1)])
      await log.append([fact('ann', 2)])
      expect(applied).toEqual([1, 2])
      void log.append([fact('ann', 3)])
      await log.append([])
      expect(applied).toEqual([1, 2, 3])
    })

    test('[D19] when a kick is done, it was given back once, and the listener may append meanwhile', async () => {
      const { log, settled } = make()
      const kicked: string[] = []
      log.listen((_facts, agreed) => {
        for (const userId of agreed?.kicked ?? []) {
          kicked.push(userId)
          void log.append([fact(userId, 1, 'left')])
        }
      })
      await log.kick('ann')
      expect(kicked).toEqual(['ann'])
      await settled()
      expect(kicked).toEqual(['ann'])
    })

    test('[E12] a session that no other node has needs no end there', () => {
      const { log } = make()
      log.listen(() => {})
      expect(log.endSession({ userId: 'ann', sessionId: 'tab' })).toBeUndefined()
    })
  })
}

function fact(userId: string, at: number, cause: Cause = 'opened'): Fact {
  const choice = { status: 'busy', text: 'in a call', expiresAt: 9 } as const
  return { userId, sessions: 'active', choice, username: undefined, lastSeen: at, cause, at }
}
