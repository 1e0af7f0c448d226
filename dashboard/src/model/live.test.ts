import { PresenceError } from '@who-is-online/client'
import { expect, test } from 'vitest'
import { fakeClient } from '../client.fake.ts'
import { live } from './live.ts'
import { DEFAULT_ORDER } from './order.ts'

function page() {
  const fake = fakeClient()
  const frames: (() => void)[] = []
  let now = 100_000
  const asked: number[] = []
  const model = live(fake.client, {
    schedule: task => frames.push(task),
    now: () => now,
    async askHistory() {
      asked.push(now)
      return { stepMs: 60_000, until: now, online: [4, 5] }
    },
    whyNoWebSocket: async () => undefined,
  })
  return {
    ...fake,
    live: model,
    /** The times when the server was asked for its numbers. */
    asked,
    /** Runs the scheduled frames and returns how many there were. */
    draw: () => frames.splice(0).map(task => task()).length,
    pass: (ms: number) => {
      now += ms
    },
    ids: () => model.list.value.rows.map(({ userId }) => userId),
  }
}

function livePage() {
  const it = page()
  it.setConnection('open', 'live')
  it.sendUsers(['ann', 'online'], ['bob', 'offline'])
  it.draw()
  return it
}

test('subscribes to all users and calls nothing else', () => {
  const it = livePage()
  expect(it.ids()).toEqual(['ann', 'bob'])
  expect(it.live.list.value).toMatchObject({ online: 1, total: 2 })
  it.setConnection('waiting', 'stale')
  it.setConnection('open', 'live')
  expect(it.calls).toEqual(['watchAll'])
})

test('a hundred messages between two frames are drawn once', () => {
  const it = livePage()
  const drawn: number[] = []
  it.live.list.subscribe(({ online }) => drawn.push(online))
  for (let round = 0; round < 100; round++)
    it.sendUsers([`u${round}`, 'online'], ['ann', round % 2 ? 'busy' : 'away'])
  expect(it.draw()).toBe(1)
  expect(drawn).toEqual([1, 101])
  // Of several changes between two frames only the last one is shown.
  expect(it.live.changes.value.entries.filter(({ userId }) => userId === 'ann')).toMatchObject([
    { status: 'busy' },
  ])
})

test('the initial state contains no changes; later states do', () => {
  const it = livePage()
  expect(it.live.changes.value.entries).toEqual([])
  it.pass(500)
  it.sendUsers(['bob', 'online'])
  it.draw()
  expect(it.live.changes.value.entries).toMatchObject([{ at: 100_500, userId: 'bob', previous: 'offline' }])
})

test('a lost connection makes the data stale; a reconnect draws only rows that have changed', () => {
  const it = livePage()
  const before = it.live.list.value.rows.slice()
  it.pass(5_000)
  it.setConnection('waiting', 'stale')
  it.sendUsers(['ann', 'online'], ['bob', 'offline'])
  it.draw()
  expect(it.live.trust.value).toMatchObject({ state: 'stale', since: 105_000 })
  it.pass(5_000)
  it.setConnection('connecting', 'stale')
  it.draw()
  expect(it.live.trust.value).toMatchObject({ state: 'stale', since: 105_000 })
  it.setConnection('open', 'live')
  it.sendUsers(['ann', 'online'], ['bob', 'offline'])
  it.draw()
  expect(it.live.trust.value).toEqual({ state: 'live' })
  expect(it.live.list.value.rows.every((row, index) => row === before[index])).toBe(true)
  expect(it.live.changes.value.entries).toEqual([])
})

const since = (it: ReturnType<typeof page>) =>
  Object.fromEntries(it.live.list.value.rows.map(({ userId, since }) => [userId, since]))

test('a change is certain while the page watches, and uncertain after a reconnect or a hidden page', () => {
  const it = livePage()
  const second = (): void => {
    it.pass(1_000)
    it.live.tick()
    it.draw()
  }
  it.pass(500)
  it.sendUsers(['bob', 'online'])
  it.draw()
  expect(since(it)).toEqual({
    ann: { at: 100_000, isUncertain: true },
    bob: { at: 100_500, isUncertain: false },
  })
  it.setConnection('waiting', 'stale')
  second()
  it.sendUsers(['bob', 'away'])
  it.setConnection('open', 'live')
  it.draw()
  expect(since(it)['bob']).toEqual({ at: 101_500, isUncertain: true })

  // A hidden page draws nothing. Visible again, it first draws what it has, and then what arrives.
  it.pass(60_000)
  it.live.tick()
  it.draw()
  it.pass(50)
  it.sendUsers(['bob', 'busy'])
  it.draw()
  expect(since(it)['bob']).toEqual({ at: 161_550, isUncertain: true })
  second()
  second()
  it.sendUsers(['bob', 'online'])
  it.draw()
  expect(since(it)['bob']).toEqual({ at: 163_550, isUncertain: false })
})

test('the history has a gap while the connection is lost', () => {
  const it = livePage()
  it.live.showRange('hour')
  it.pass(1_000)
  it.setConnection('waiting', 'stale')
  it.draw()
  it.pass(1_000)
  it.live.tick()
  it.draw()
  it.pass(1_000)
  it.setConnection('open', 'live')
  it.draw()
  it.live.tick()
  expect(it.live.history.value.counts).toEqual([1, null, null, 1])
})

test('a server without users becomes live with the next tick', () => {
  const it = page()
  it.setConnection('open', 'stale')
  it.draw()
  expect(it.live.trust.value.state).toBe('connecting')
  it.setConnection('open', 'live')
  it.live.tick()
  it.draw()
  expect(it.live.trust.value.state).toBe('live')
})

test('the state is failing while the first attempts fail', () => {
  const it = page()
  it.setConnection('waiting', 'stale')
  it.draw()
  it.setConnection('connecting', 'stale')
  it.draw()
  expect(it.live.trust.value.state).toBe('failing')
  it.setConnection('open', 'live')
  it.draw()
  expect(it.live.trust.value.state).toBe('live')
})

test('a refusal has its reason', () => {
  const it = livePage()
  it.sendError(new PresenceError('refused', 'not here'))
  it.setConnection('refused', 'stale')
  it.draw()
  expect(it.live.trust.value).toEqual({ state: 'refused', reason: 'not here' })
})

test('pauses the changes, filters, and marks the user of this tab', () => {
  const it = livePage()
  it.live.pauseChanges(true)
  it.sendUsers(['bob', 'online'])
  it.draw()
  expect(it.live.changes.value).toMatchObject({ entries: [], unseen: 1, isPaused: true })
  it.live.pauseChanges(false)
  expect(it.live.changes.value.entries).toHaveLength(1)
  it.live.show({ text: 'bo', status: undefined }, DEFAULT_ORDER)
  expect(it.ids()).toEqual(['bob'])
  it.live.setMe('bob')
  expect(it.live.list.value.rows[0]?.isMe).toBe(true)
})

test('no number is known before the first state', () => {
  const it = page()
  it.sendUsers(['ann', 'online'])
  it.draw()
  expect(it.live.list.value.isKnown).toBe(false)
  it.setConnection('open', 'live')
  it.draw()
  expect(it.live.list.value).toMatchObject({ isKnown: true, online: 1 })
})

test('asks the server for its numbers when the connection is open, again after a loss, and every ten minutes', async () => {
  const it = livePage()
  expect(it.asked).toEqual([100_000])
  await Promise.resolve()
  expect(it.live.history.value).toEqual({ times: [40, 100], counts: [4, 5] })
  it.pass(1_000)
  it.setConnection('waiting', 'stale')
  it.draw()
  it.pass(1_000)
  it.setConnection('open', 'live')
  it.draw()
  expect(it.asked).toEqual([100_000, 102_000])
  for (const ms of [599_999, 1]) {
    it.pass(ms)
    it.live.tick()
    it.draw()
  }
  expect(it.asked).toEqual([100_000, 102_000, 702_000])
})

test('knows the changes of one user', () => {
  const it = livePage()
  it.sendUsers(['bob', 'online'])
  it.draw()
  it.sendUsers(['ann', 'busy'])
  it.draw()
  expect(it.live.changesOf('bob')).toMatchObject([{ userId: 'bob', status: 'online' }])
})

test('relative times stand still while the data is outdated', () => {
  const it = livePage()
  it.pass(10_000)
  it.live.tick()
  it.draw()
  expect(it.live.now.value).toBe(110_000)
  it.setConnection('waiting', 'stale')
  it.draw()
  it.pass(60_000)
  it.live.tick()
  expect(it.live.now.value).toBe(110_000)
})

test('the chart stands still while the data is outdated, and the time since the loss goes on', () => {
  const it = livePage()
  const second = (): void => {
    it.pass(1_000)
    it.live.tick()
    it.draw()
  }
  second()
  it.live.tick()
  expect([it.live.history.value.times.at(-1), it.live.lostSeconds.value]).toEqual([101, 0])
  it.setConnection('waiting', 'stale')
  it.draw()
  expect(it.live.lostSeconds.value).toBe(1)
  for (let n = 0; n < 42; n++) second()
  expect([it.live.history.value.times.at(-1), it.live.lostSeconds.value]).toEqual([101, 42])
  // Another range is of the same time.
  it.live.showRange('hour')
  expect(it.live.history.value.times.at(-1)).toBe(101)
  it.setConnection('open', 'live')
  it.draw()
  it.live.tick()
  expect([it.live.history.value.times.at(-1), it.live.lostSeconds.value]).toEqual([143, 0])
})

test('the chart shows a day, or an hour with a point for each second', () => {
  const it = livePage()
  for (let n = 0; n < 20; n++) {
    it.pass(1_000)
    it.live.tick()
    it.draw()
  }
  expect([it.live.range.value, it.live.history.value.times.length]).toEqual(['day', 2])
  it.live.showRange('hour')
  expect([it.live.range.value, it.live.history.value.times.length]).toEqual(['hour', 21])
})
