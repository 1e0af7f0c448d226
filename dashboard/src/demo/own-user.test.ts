import { PresenceError } from '@who-is-online/client'
import { expect, test } from 'vitest'
import { type FakeClient, fakeClient } from '../client.fake.ts'
import { nameProblem, ownUser } from './own-user.ts'

function memoryStorage(): Storage {
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

function tab(storage = memoryStorage()) {
  const clients: FakeClient[] = []
  const identities: object[] = []
  const own = ownUser(identity => {
    identities.push(identity)
    const fake = fakeClient()
    clients.push(fake)
    return fake.client
  }, storage)
  return { own, identities, clients, last: () => clients.at(-1) as FakeClient }
}

const ANN = { userId: 'ann', username: 'Ann' }

test('connects with a status, changes it, and disconnects', () => {
  const { own, identities, last } = tab()
  expect(own.user.value).toEqual({ state: 'out' })
  own.connect(ANN, 'busy')
  expect(identities).toEqual([ANN])
  last().setConnection('open', 'live')
  last().sendChoice({ status: 'busy', text: 'in a call' })
  expect(own.user.value).toEqual({
    state: 'in',
    identity: ANN,
    connection: 'open',
    status: 'busy',
    text: 'in a call',
  })
  own.setStatus('away', 'at lunch')
  own.disconnect()
  expect(last().calls).toEqual(['setStatus busy', 'setStatus away at lunch', 'close'])
  expect(own.user.value).toEqual({ state: 'out' })
  last().setConnection('closed', 'stale')
  expect(own.user.value).toEqual({ state: 'out' })
})

test('after a reload the same user connects and keeps the status; a user who disconnected does not', () => {
  const storage = memoryStorage()
  tab(storage).own.connect(ANN, 'busy')
  const reloaded = tab(storage)
  expect(reloaded.identities).toEqual([ANN])
  expect(reloaded.last().calls).toEqual([])
  reloaded.own.disconnect()
  expect(tab(storage).identities).toEqual([])
})

test('invalid stored data, and a storage that throws, are ignored', () => {
  const other = memoryStorage()
  for (const text of ['{', '{"userId":7}', '{"userId":""}']) {
    other.setItem('who-is-online:me', text)
    expect(tab(other).identities).toEqual([])
  }
  const full = {
    ...memoryStorage(),
    setItem: () => {
      throw new Error('full')
    },
  }
  const { own } = tab(full)
  own.connect(ANN, 'online')
  expect(own.user.value.state).toBe('in')
})

test('a refusal is shown and disconnects; the next attempt clears it', () => {
  const { own, last } = tab()
  own.connect({ userId: 'ann', username: undefined }, 'online')
  last().sendError(new PresenceError('refused', 'bad identity', undefined, 4400))
  expect(own.user.value).toEqual({ state: 'out' })
  expect(own.problem.value).toBe('The server refused this: bad identity')
  own.connect(ANN, 'online')
  expect(own.problem.value).toBe('')
})

test('a name has at most 128 bytes and no control characters', () => {
  expect(nameProblem('ann')).toBeUndefined()
  expect(nameProblem('é'.repeat(64))).toBeUndefined()
  expect(nameProblem(`${'é'.repeat(64)}x`)).toMatch(/128 bytes/)
  expect(nameProblem('a\u0007')).toMatch(/control/)
})
