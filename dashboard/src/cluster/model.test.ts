import { expect, test } from 'vitest'
import { clusterOf, rejectedOf, type ServerCluster } from './model.ts'

const ANSWER: ServerCluster = {
  self: 'a',
  state: 'ok',
  awayMs: 0,
  lastError: null,
  nodes: [],
  epochs: 1,
  lost: 0,
  appends: { appended: 9 },
  lagMs: 2,
  ignored: 0,
}

/** A cluster whose requests a test answers. */
function asked() {
  const waiting: { resolve(answer: ServerCluster): void; reject(error: Error): void }[] = []
  let time = 0
  const cluster = clusterOf(
    () => new Promise((resolve, reject) => waiting.push({ resolve, reject })),
    () => time,
  )
  const settle = () => new Promise(resolve => setTimeout(resolve))
  return {
    cluster,
    waiting,
    async answer(answer: ServerCluster | Error, at: number) {
      time = at
      const next = waiting.shift()
      if (answer instanceof Error) next?.reject(answer)
      else next?.resolve(answer)
      await settle()
    },
  }
}

test('there is one request at a time, and the next one after its answer or failure', async () => {
  const { cluster, waiting, answer } = asked()
  cluster.ask()
  cluster.ask()
  expect(waiting).toHaveLength(1)
  await answer(ANSWER, 5)
  cluster.ask()
  expect(waiting).toHaveLength(1)
  await answer(new Error('fetch failed'), 6)
  cluster.ask()
  expect(waiting).toHaveLength(1)
})

test('without an answer the last one stays, and is marked until the next one', async () => {
  const { cluster, answer } = asked()
  cluster.ask()
  await answer(new Error('fetch failed'), 1)
  expect(cluster.view.value).toBeUndefined()
  cluster.ask()
  await answer(ANSWER, 10)
  expect(cluster.view.value).toEqual({ ...ANSWER, isOld: false, at: 10 })
  cluster.ask()
  await answer(new Error('fetch failed'), 20)
  expect(cluster.view.value).toEqual({ ...ANSWER, isOld: true, at: 10 })
  cluster.ask()
  await answer({ ...ANSWER, state: 'away' }, 30)
  expect(cluster.view.value).toMatchObject({ state: 'away', isOld: false, at: 30 })
})

test('all appends that Redis has not accepted are rejected', () => {
  expect(rejectedOf(ANSWER)).toBe(0)
  expect(rejectedOf({ appends: { appended: 9, duplicate: 1, failed: 2 } })).toBe(3)
})
