import { expect, test } from 'vitest'
import { factLogSuite } from './log.suite.ts'
import { createSingleLog } from './single.ts'

factLogSuite('the log of one node', () => ({ log: createSingleLog(), settled: async () => {} }))

test('facts are visible before append returns', () => {
  const log = createSingleLog()
  let visible = 0
  log.listen(facts => {
    visible += facts.length
  })
  const placed = log.append([
    {
      userId: 'ann',
      sessions: 'none',
      choice: { status: 'online' },
      username: undefined,
      lastSeen: 1,
      cause: 'left',
      at: 1,
    },
  ])
  expect([visible, placed]).toEqual([1, undefined])
})

test('[D19] a kick is given back at once, and a user has no connections elsewhere', () => {
  const log = createSingleLog()
  const kicked: string[] = []
  log.listen((facts, agreed) => {
    expect(facts).toEqual([])
    kicked.push(...(agreed?.kicked ?? []))
  })
  expect([log.kick('ann'), kicked, log.connectionsElsewhere('ann')]).toEqual([undefined, ['ann'], 0])
})
