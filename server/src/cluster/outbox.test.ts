import { expect, test } from 'vitest'
import { Outbox } from './outbox.ts'
import { ASKS_NOTHING } from './testing/unknown-user.ts'

const HOST = {
  ...ASKS_NOTHING,
  compose: () => ({ fact: undefined, registers: [] }),
  register: () => undefined,
  refusal: () => undefined,
}

test('[D19 E12] what was ended while Redis was away fills no entry: the rest follows in the next ones', () => {
  const outbox = new Outbox()
  const ids = Array.from({ length: 1_200 }, (_, i) => `user-${i}`)
  outbox.add({ kicks: ids, ends: ids.map(userId => [userId, 'tab']) })
  // The same session again is nothing more to say.
  outbox.add({ kicks: ['user-0'], ends: [['user-0', 'tab']] })
  const counts: number[][] = []
  for (let batch = 1; !outbox.isEmpty; batch++) {
    const { kicks = [], ends = [] } = outbox.take(HOST, batch)
    counts.push([kicks.length, ends.length])
    outbox.landed()
  }
  expect(counts).toEqual([
    [500, 500],
    [500, 500],
    [200, 200],
  ])
})

test('[D19 E12] what the log has refused is said again', () => {
  const outbox = new Outbox()
  outbox.add({ kicks: ['ann'], ends: [['bob', 'tab']] })
  const content = outbox.take(HOST, 1)
  expect(content).toMatchObject({ kicks: ['ann'], ends: [['bob', 'tab']] })
  outbox.refused()
  expect(outbox.take(HOST, 1)).toEqual(content)
})

test('[N9] questions that are over are not asked, and answers come as far as an entry has room', () => {
  const outbox = new Outbox()
  outbox.add({
    asks: [1, 2, 2],
    answers: Array.from({ length: 2_000 }, (_, id) => ['b', id, 'ann'] as const),
  })
  const sessions = Array.from({ length: 100 }, (_, i) => ({ sessionId: `${i}`.padStart(100, 'x') }))
  const host = {
    ...HOST,
    asked: (id: number) => (id === 2 ? 'bob' : undefined),
    answer: () => ({ state: 'active', sessions: sessions as never, graces: [] }) as const,
  }
  const { asks, answers = [] } = outbox.take(host, 1)
  expect(asks).toEqual([[2, 'bob']])
  expect(answers.map(([to, id]) => `${to}${id}`)).toEqual(['b0', 'b1', 'b2', 'b3', 'b4', 'b5'])
  outbox.refused()
  expect(outbox.take(host, 1)).toMatchObject({ asks, answers: { length: 6 } })
  let answered = 0
  for (outbox.landed(); !outbox.isEmpty; outbox.landed())
    answered += outbox.take(host, 2).answers?.length ?? 0
  expect(answered).toBe(1_000 - 6)
})
