import { expect, test } from 'vitest'
import { LaterCalls } from './later-calls.ts'

test('a call is made when its promise resolves, and an error is told', async () => {
  const calls = new LaterCalls()
  const told: unknown[] = []
  const tell = (value: unknown): void => void told.push(value)
  calls.when(Promise.resolve(7), tell, tell)
  calls.when(Promise.reject(new Error('planted')), tell, tell)
  await expect.poll(() => told).toEqual([7, new Error('planted')])
})

test('a call that was dropped is never made, and keeps nothing in memory', async () => {
  const calls = new LaterCalls()
  let resolve = (): void => {}
  const promise = new Promise<void>(done => (resolve = done))
  const told: string[] = []
  calls.when(
    promise,
    () => told.push('dropped'),
    () => {},
  )
  calls.drop()
  calls.when(
    promise,
    () => told.push('later'),
    () => {},
  )
  resolve()
  await expect.poll(() => told).toEqual(['later'])
})
