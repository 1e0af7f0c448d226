import { expect, test } from 'vitest'
import { LaterStart } from './later-start.ts'

function startAfter(pending: Promise<void>): { readonly start: LaterStart; readonly begun: boolean[] } {
  const begun: boolean[] = []
  return { start: new LaterStart(pending, 250, isInTime => begun.push(isInTime)), begun }
}

test('[W9] it begins when the promise resolves, once', async () => {
  const { start, begun } = startAfter(Promise.resolve())
  expect(begun).toEqual([])
  await Promise.resolve()
  expect([begun, start.isDue(1_000)]).toEqual([[true], false])
  start.begin(false)
  expect(begun).toEqual([true])
})

test('[W9] it begins without the promise when it is due', async () => {
  let place = () => {}
  const placed = new Promise<void>(resolve => {
    place = resolve
  })
  const { start, begun } = startAfter(placed)
  expect([start.isDue(249), start.isDue(250)]).toEqual([false, true])
  start.begin(false)
  place()
  await Promise.resolve()
  expect(begun).toEqual([false])
})

test('[W9] after it was cancelled, it does not begin', async () => {
  const { start, begun } = startAfter(Promise.resolve())
  start.cancel()
  await Promise.resolve()
  start.begin(false)
  expect([begun, start.isDue(250)]).toEqual([[], false])
})
