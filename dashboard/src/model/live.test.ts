import { PresenceError } from '@who-is-online/client'
import { expect, test } from 'vitest'
import { fakeClient } from '../client.fake.ts'
import { live } from './live.ts'

function page() {
  const fake = fakeClient()
  const frames: (() => void)[] = []
  let now = 100_000
  const watched = live(fake.client, { later: task => frames.push(task), now: () => now })
  return {
    ...fake,
    live: watched,
    /** Lets the browser draw; returns how many frames were asked for. */
    draw: () => frames.splice(0).map(task => task()).length,
    pass: (ms: number) => {
      now += ms
    },
    ids: () => watched.list.value.rows.map(({ userId }) => userId),
  }
}

function livePage() {
  const it = page()
  it.becomes('open', 'live')
  it.tells(['ann', 'online'], ['bob', 'offline'])
  it.draw()
  return it
}

test('watches everybody, and says nothing else', () => {
  const it = livePage()
  expect(it.ids()).toEqual(['ann', 'bob'])
  expect(it.live.list.value).toMatchObject({ here: 1, known: 2 })
  it.becomes('waiting', 'stale')
  it.becomes('open', 'live')
  expect(it.asked).toEqual(['watchAll'])
})

test('a hundred messages between two frames are drawn once', () => {
  const it = livePage()
  const drawn: number[] = []
  it.live.list.subscribe(({ here }) => drawn.push(here))
  for (let round = 0; round < 100; round++)
    it.tells([`u${round}`, 'online'], ['ann', round % 2 ? 'busy' : 'away'])
  expect(it.draw()).toBe(1)
  expect(drawn).toEqual([1, 101])
  // Of what happened between two frames only how it ended is told.
  expect(it.live.stream.value.entries.filter(({ userId }) => userId === 'ann')).toMatchObject([
    { status: 'busy' },
  ])
})

test('how it is at first is no change; what comes after is one', () => {
  const it = livePage()
  expect(it.live.stream.value.entries).toEqual([])
  it.pass(500)
  it.tells(['bob', 'online'])
  it.draw()
  expect(it.live.stream.value.entries).toMatchObject([{ at: 100_500, userId: 'bob', previous: 'offline' }])
})

test('a lost connection says since when nothing is known; coming back draws no line that is as it was', () => {
  const it = livePage()
  const before = it.live.list.value.rows.slice()
  it.pass(5_000)
  it.becomes('waiting', 'stale')
  it.tells(['ann', 'online'], ['bob', 'offline'])
  it.draw()
  expect(it.live.trust.value).toEqual({ state: 'stale', since: 105_000 })
  it.pass(5_000)
  it.becomes('connecting', 'stale')
  it.draw()
  expect(it.live.trust.value).toEqual({ state: 'stale', since: 105_000 })
  it.becomes('open', 'live')
  it.tells(['ann', 'online'], ['bob', 'offline'])
  it.draw()
  expect(it.live.trust.value).toEqual({ state: 'live' })
  expect(it.live.list.value.rows.every((row, index) => row === before[index])).toBe(true)
  expect(it.live.stream.value.entries).toEqual([])
})

const since = (it: ReturnType<typeof page>) =>
  Object.fromEntries(it.live.list.value.rows.map(({ userId, since }) => [userId, since]))

test('what happens while the page looks is known to the moment, what it is told on coming back is from before', () => {
  const it = livePage()
  const second = (): void => {
    it.pass(1_000)
    it.live.tick()
    it.draw()
  }
  it.pass(500)
  it.tells(['bob', 'online'])
  it.draw()
  expect(since(it)).toEqual({
    ann: { at: 100_000, isBefore: true },
    bob: { at: 100_500, isBefore: false },
  })
  it.becomes('waiting', 'stale')
  second()
  it.tells(['bob', 'away'])
  it.becomes('open', 'live')
  it.draw()
  expect(since(it)['bob']).toEqual({ at: 101_500, isBefore: true })

  // A hidden tab draws nothing. Seen again, it draws what it knew, and then what it is told on asking.
  it.pass(60_000)
  it.live.tick()
  it.draw()
  it.pass(50)
  it.tells(['bob', 'busy'])
  it.draw()
  expect(since(it)['bob']).toEqual({ at: 161_550, isBefore: true })
  second()
  second()
  it.tells(['bob', 'online'])
  it.draw()
  expect(since(it)['bob']).toEqual({ at: 163_550, isBefore: false })
})

test('the count over time has a hole where the connection was lost', () => {
  const it = livePage()
  it.pass(1_000)
  it.becomes('waiting', 'stale')
  it.draw()
  it.pass(1_000)
  it.live.tick()
  it.draw()
  it.pass(1_000)
  it.becomes('open', 'live')
  it.draw()
  expect(it.live.history.value.history.counts).toEqual([1, null, null, 1])
})

test('a server without users becomes live with the next second', () => {
  const it = page()
  it.becomes('open', 'stale')
  it.draw()
  expect(it.live.trust.value.state).toBe('connecting')
  it.becomes('open', 'live')
  it.live.tick()
  it.draw()
  expect(it.live.trust.value.state).toBe('live')
})

test('says that the server can’t be reached before there was anything to show', () => {
  const it = page()
  it.becomes('waiting', 'stale')
  it.draw()
  it.becomes('connecting', 'stale')
  it.draw()
  expect(it.live.trust.value.state).toBe('failing')
  it.becomes('open', 'live')
  it.draw()
  expect(it.live.trust.value.state).toBe('live')
})

test('says why the server does not want it', () => {
  const it = livePage()
  it.fails(new PresenceError('refused', 'not here'))
  it.becomes('suspended', 'stale')
  it.draw()
  expect(it.live.trust.value).toEqual({ state: 'refused', reason: 'not here' })
})

test('pauses the stream, and finds', () => {
  const it = livePage()
  it.live.pauseStream(true)
  it.tells(['bob', 'online'])
  it.draw()
  expect(it.live.stream.value).toMatchObject({ entries: [], missed: 1, isPaused: true })
  it.live.pauseStream(false)
  expect(it.live.stream.value.entries).toHaveLength(1)
  it.live.find({ text: 'bo', onlyHere: false })
  expect(it.ids()).toEqual(['bob'])
  it.live.find({ text: '', onlyHere: false })
  it.live.setMe('bob')
  expect(it.ids()).toEqual(['bob', 'ann'])
})
