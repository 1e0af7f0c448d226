import { expect, test } from 'vitest'
import { onDemand } from './on-demand.ts'

test('a part is imported when it is first used, and once', async () => {
  let imports = 0
  const { part, state, load } = onDemand(async () => ++imports)
  expect([state.value, part.value, imports]).toEqual(['unused', undefined, 0])
  const loading = [load(), load()]
  expect([state.value, part.value]).toEqual(['loading', undefined])
  expect(await Promise.all(loading)).toEqual([1, 1])
  expect(await load()).toBe(1)
  expect([state.value, part.value, imports]).toEqual(['loaded', 1, 1])
})

test('a part that can not be imported has failed, and is not imported again', async () => {
  let imports = 0
  const { part, state, load } = onDemand(() => {
    imports++
    return Promise.reject(new Error('404'))
  })
  expect(await load()).toBeUndefined()
  expect(await load()).toBeUndefined()
  expect([state.value, part.value, imports]).toEqual(['failed', undefined, 1])
})
