import { expect, test } from 'vitest'
import { fakeClient } from '../client.fake.ts'
import { Trusted } from './trust.ts'

function trusted(reason: string | undefined) {
  const fake = fakeClient()
  let asked = 0
  let drawn = 0
  const it = new Trusted(
    fake.client,
    async () => {
      asked++
      return reason
    },
    () => drawn++,
  )
  fake.client.onConnectionChange(state => it.connectionIs(state))
  it.connectionIs('connecting')
  return {
    ...fake,
    trust: () => {
      it.update(fake.client.freshness === 'live', 100)
      return it.trust.value
    },
    asked: () => asked,
    drawn: () => drawn,
  }
}

test('after a failed attempt the reason is shown, until a connection is open', async () => {
  const it = trusted('a proxy did it')
  it.setConnection('waiting', 'stale')
  expect(it.trust()).toEqual({ state: 'failing', reason: undefined })
  await Promise.resolve()
  expect([it.asked(), it.drawn()]).toEqual([1, 1])
  expect(it.trust()).toEqual({ state: 'failing', reason: 'a proxy did it' })
  it.setConnection('open', 'live')
  expect(it.trust()).toEqual({ state: 'live' })
  it.setConnection('waiting', 'stale')
  expect(it.trust()).toEqual({ state: 'stale', since: 100, reason: undefined })
})

test('a connection that was lost is no failed attempt; one that cannot be opened again is', async () => {
  const it = trusted('a proxy did it')
  it.setConnection('open', 'live')
  expect(it.trust()).toEqual({ state: 'live' })
  it.setConnection('waiting', 'stale')
  expect(it.asked()).toBe(0)
  it.setConnection('connecting', 'stale')
  it.setConnection('waiting', 'stale')
  await Promise.resolve()
  expect(it.asked()).toBe(1)
  expect(it.trust()).toEqual({ state: 'stale', since: 100, reason: 'a proxy did it' })
})

test('the same state is the same object, so that nothing is drawn or announced again', () => {
  const it = trusted(undefined)
  it.setConnection('waiting', 'stale')
  expect(it.trust()).toBe(it.trust())
})
