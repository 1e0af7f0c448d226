import { expect, test } from 'vitest'
import { Outbox } from './outbox.ts'

const HOST = {
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
