import { from } from 'rxjs'
import { get as getStore } from 'svelte/store'
import { expect, test } from 'vitest'
import { clock, makeClient, openClient, received, server } from './harness.fake.ts'
import type { PresenceUser } from './user-view.ts'

// Readables: the form in which Svelte, React and RxJS take a value that changes.

const status = (user: PresenceUser | undefined) => user?.status

test('[J20] a user: subscribed while the readable has subscribers, and the current value comes at once', async () => {
  const client = await openClient()
  server.users.change('7', 'busy')
  const user = client.user(7)
  expect([user.get(), received('subscribe')]).toEqual([undefined, []])
  const values: unknown[] = []
  const stops = [user.subscribe(value => values.push(status(value))), user.subscribe(() => {})]
  expect(values).toEqual([undefined])
  await clock.run(50)
  expect(values).toEqual([undefined, 'busy'])
  expect(user.get()).toBe(client.get('7'))
  server.users.change('eve', 'busy')
  server.users.change('7', 'away')
  await clock.run(500)
  expect(values).toEqual([undefined, 'busy', 'away'])
  stops[0]?.()
  server.users.change('7', 'online')
  await clock.run(500)
  expect([values.length, received('unsubscribe').length, status(user.get())]).toEqual([3, 0, 'online'])
  stops[1]?.()
  await clock.run(500)
  expect([received('unsubscribe').length, user.get()]).toEqual([1, undefined])
})

test('[J20] a list: in the order of the ids, the same array until one of its users changes', async () => {
  const client = await openClient()
  server.users.change('bob', 'busy')
  const list = client.list(['bob', 'ann', 'bob'])
  expect(list.get()).toEqual([])
  expect(list.get()).toBe(list.get())
  const lengths: number[] = []
  const stop = list.subscribe(users => lengths.push(users.length))
  await clock.run(300)
  expect(list.get().map(({ userId }) => userId)).toEqual(['bob', 'ann'])
  expect(lengths).toEqual([0, 2])
  const before = list.get()
  expect(list.get()).toBe(before)
  server.users.change('ann', 'away')
  await clock.run(300)
  expect(list.get()).not.toBe(before)
  expect(list.get().map(status)).toEqual(['busy', 'away'])
  stop()
})

test('[J20] the number of users who are online', async () => {
  const client = await openClient()
  const count = client.onlineCount()
  const counts: unknown[] = []
  const stop = count.subscribe(value => counts.push(value))
  await clock.run(100)
  server.users.change('ann', 'online')
  await clock.run(100)
  expect(counts).toEqual([undefined, 0, 1])
  expect(count.get()).toBe(1)
  stop()
  await clock.run(500)
  expect(received('unsubscribe')).toMatchObject([{ count: true }])
})

test('[J20] an invalid id throws when the readable is made', () => {
  for (const id of ['', 1.5, undefined] as never[]) {
    expect(() => makeClient().user(id)).toThrow(expect.objectContaining({ code: 'bad_user_id' }))
    expect(() => makeClient().list([id])).toThrow(expect.objectContaining({ code: 'bad_user_id' }))
  }
})

test('[J20] RxJS takes a readable in `from`, and Svelte as a store', async () => {
  const client = await openClient()
  server.users.change('ann', 'busy')
  const values: unknown[] = []
  const subscription = from(client.user('ann')).subscribe(user => values.push(status(user)))
  await clock.run(300)
  expect(values).toEqual([undefined, 'busy'])
  expect(status(getStore(client.user('ann')))).toBe('busy')
  subscription.unsubscribe()
  await clock.run(500)
  expect(client.get('ann')).toBeUndefined()
})

test('[J20] an error of one subscriber does not keep another from its value', async () => {
  const client = await openClient()
  const isUndefined = (value: unknown) => value === undefined
  const unhandled = new Promise(resolve => process.once('unhandledRejection', resolve))
  client.user('ann').subscribe(user => {
    if (!isUndefined(user)) throw new Error('from the application')
  })
  const values: unknown[] = []
  client.user('ann').subscribe(user => values.push(status(user)))
  await clock.run(300)
  expect(values).toEqual([undefined, 'offline'])
  expect(await unhandled).toMatchObject({ message: 'from the application' })
})
