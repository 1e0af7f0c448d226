import { PresenceError } from '@who-is-online/client'
import { expect, test } from 'vitest'
import { type FakeClient, fakeClient } from '../client.fake.ts'
import { myself, problemOfName } from './me.ts'

function memory(): Storage {
  const kept = new Map<string, string>()
  return {
    getItem: key => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: key => void kept.delete(key),
    clear: () => kept.clear(),
    key: () => null,
    length: 0,
  }
}

function tab(remembered = memory()) {
  const clients: FakeClient[] = []
  const names: object[] = []
  const me = myself(name => {
    names.push(name)
    const fake = fakeClient()
    clients.push(fake)
    return fake.client
  }, remembered)
  return { me, names, clients, last: () => clients.at(-1) as FakeClient }
}

const ANN = { userId: 'ann', username: 'Ann' }

test('connects with a status of its own, changes it, and leaves', () => {
  const { me, names, last } = tab()
  expect(me.me.value).toEqual({ state: 'out' })
  me.connect(ANN, 'busy')
  expect(names).toEqual([ANN])
  last().becomes('open', 'live')
  last().chose({ status: 'busy', text: 'in a call' })
  expect(me.me.value).toEqual({
    state: 'in',
    name: ANN,
    connection: 'open',
    status: 'busy',
    text: 'in a call',
  })
  me.choose('away', 'at lunch')
  me.leave()
  expect(last().asked).toEqual(['setStatus busy', 'setStatus away at lunch', 'close'])
  expect(me.me.value).toEqual({ state: 'out' })
  last().becomes('closed', 'stale')
  expect(me.me.value).toEqual({ state: 'out' })
})

test('a reload comes back as the same user, and leaves the status as it is; who left stays out', () => {
  const remembered = memory()
  tab(remembered).me.connect(ANN, 'busy')
  const reloaded = tab(remembered)
  expect(reloaded.names).toEqual([ANN])
  expect(reloaded.last().asked).toEqual([])
  reloaded.me.leave()
  expect(tab(remembered).names).toEqual([])
})

test('a memory that holds something else, or nothing at all, does not matter', () => {
  const other = memory()
  for (const text of ['{', '{"userId":7}', '{"userId":""}']) {
    other.setItem('who-is-online:me', text)
    expect(tab(other).names).toEqual([])
  }
  const full = {
    ...memory(),
    setItem: () => {
      throw new Error('full')
    },
  }
  const { me } = tab(full)
  me.connect(ANN, 'online')
  expect(me.me.value.state).toBe('in')
})

test('a refusal is said and ends it; the next attempt begins without it', () => {
  const { me, last } = tab()
  me.connect({ userId: 'ann', username: undefined }, 'online')
  last().fails(new PresenceError('refused', 'bad identity', undefined, 4400))
  expect(me.me.value).toEqual({ state: 'out' })
  expect(me.problem.value).toBe('The server says: bad identity')
  me.connect(ANN, 'online')
  expect(me.problem.value).toBe('')
})

test('a name is no longer than the server takes, in bytes', () => {
  expect(problemOfName('ann')).toBeUndefined()
  expect(problemOfName('é'.repeat(64))).toBeUndefined()
  expect(problemOfName(`${'é'.repeat(64)}x`)).toMatch(/128 bytes/)
  expect(problemOfName('a\u0007')).toMatch(/control/)
})
