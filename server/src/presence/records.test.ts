import { expect, test } from 'vitest'
import type { PresenceRecord } from './record.ts'
import { Records } from './records.ts'
import { Parts } from './testing/parts.ts'
import { DAY, HOUR, named, T } from './testing/scenario.ts'

// What `Records` stores, from what the other parts know. presence.stored.test.ts has what `Presence` stores.

class Scene extends Parts {
  readonly records = new Records(this.wall, this.here, this.view, this.correction)
}

const HIDDEN = { status: 'offline' } as const
const BUSY = { status: 'busy', text: 'at lunch', expiresAt: T + HOUR } as const

const archived = (userId: string, lastSeen: number): PresenceRecord => ({
  userId,
  session: 'none',
  status: 'offline',
  lastSeen,
})

test('an unknown user has no record, and is left out among others', () => {
  const { records, ...scene } = new Scene()
  expect(records.get('ann')).toBeUndefined()
  scene.view.put('bob', { status: 'offline', text: undefined, expiresAt: undefined }, T, undefined)
  scene.view.put('joe', { status: 'offline', text: undefined, expiresAt: undefined }, T + 1, undefined)
  expect(records.ofAll(['joe', 'ann', 'bob'])).toStrictEqual([archived('joe', T + 1), archived('bob', T)])
})

test('of an offline user with nothing else only the name and the time are stored', () => {
  const scene = new Scene()
  scene.visit('ann', T, { username: 'Ann' })
  scene.visit('bob', T + 1)
  expect(scene.here.get('ann')).toBeUndefined()
  expect(scene.records.get('ann')).toStrictEqual({ ...archived('ann', T), username: 'Ann' })
  expect(scene.records.get('bob')).toStrictEqual(archived('bob', T + 1))
})

test('of a present user the last sign of life, the choice, its time and the activity are stored', () => {
  const scene = new Scene()
  const ann = scene.come('ann', T, { username: 'Ann', choice: BUSY })
  ann.heard(T + 7)
  scene.apply(scene.here.setActivity(ann, 's', true, T + 8))
  scene.apply(scene.here.setVisibility(ann, 's', true, T + 8))
  const record = {
    userId: 'ann',
    session: 'live',
    ...BUSY,
    lastSeen: T + 7,
    chosenAt: T,
    idle: true,
    inactive: true,
    username: 'Ann',
  }
  expect(scene.records.of(ann)).toStrictEqual(record)
  scene.apply(scene.here.lose(ann, 's', T + 9))
  expect(scene.records.of(ann)).toStrictEqual({ ...record, session: 'held' })
})

test('of a user without a session a choice is stored only if it may apply again', () => {
  const scene = new Scene()
  scene.visit('ends', T, { choice: BUSY })
  expect(scene.records.get('ends')).toStrictEqual({ ...archived('ends', T), ...BUSY, chosenAt: T })
  scene.visit('busy', T, { choice: { status: 'busy' } })
  expect(scene.records.get('busy')).toStrictEqual({ ...archived('busy', T), chosenAt: T })
  // Only a hidden user who was lost comes back hidden.
  const lost = scene.come('lost', T, { choice: HIDDEN })
  scene.apply(scene.here.lose(lost, 's', T))
  scene.apply(scene.here.advance(T + scene.options.graceMs))
  expect(scene.records.get('lost')).toStrictEqual({
    ...archived('lost', T),
    chosenAt: T,
    keptHidden: true,
    unseen: true,
  })
})

test('a user whom others have never seen has the time of the arrival, and a name that waits', () => {
  const scene = new Scene()
  const ann = scene.come('ann', T, { username: 'Ann', choice: HIDDEN })
  ann.heard(T + 9)
  expect(scene.records.of(ann)).toStrictEqual({
    userId: 'ann',
    session: 'live',
    status: 'offline',
    lastSeen: T,
    chosenAt: T,
    unseen: true,
    newUsername: 'Ann',
  })
})

test('a hidden user whom others have seen has the time from before hiding', () => {
  const scene = new Scene()
  const ann = scene.come('ann', T)
  scene.apply(scene.here.setStatus(ann, HIDDEN, T + 1))
  ann.heard(T + 9)
  expect(scene.records.of(ann)).toMatchObject({ lastSeen: T, status: 'offline' })
  expect(scene.records.of(ann)).not.toHaveProperty('unseen')
})

test('a fact that is pending counts as visible', () => {
  const scene = new Scene()
  const { user } = scene.here.open('ann', named('s'), T, { username: 'Ann' })
  expect(scene.view.get('ann')).toBeUndefined()
  expect(scene.records.of(user)).toStrictEqual({
    userId: 'ann',
    session: 'live',
    status: 'online',
    lastSeen: T,
    username: 'Ann',
  })
})

test('[R11] the time of a clock that is behind is stored as the right time', () => {
  const scene = new Scene()
  const early = T - 40 * DAY
  scene.wall.begin(early, { knownTime: T, latestTime: T })
  const ann = scene.come('ann', early)
  expect(scene.records.of(ann).lastSeen).toBe(T)
  // Also of a user who has left by that clock.
  scene.visit('bob', early)
  expect(scene.view.get('bob')?.lastSeen).toBe(early)
  expect(scene.records.get('bob')).toStrictEqual(archived('bob', T))
})

test('[R11] a time that was in the future when the clock was set back is stored as it was written', () => {
  const scene = new Scene()
  scene.visit('ann', T + DAY)
  // Of this user a name is known besides, so the record is made of that.
  scene.visit('bob', T + DAY)
  scene.here.identify('bob', 'Bob', T + DAY)
  scene.jump(-DAY, T)
  expect(scene.view.get('ann')?.lastSeen).toBe(T)
  expect(scene.records.get('ann')).toStrictEqual({ ...archived('ann', T + DAY), aheadMs: DAY })
  expect(scene.records.get('bob')).toStrictEqual({
    ...archived('bob', T + DAY),
    aheadMs: DAY,
    newUsername: 'Bob',
  })
})

test('[R11] a sign of life replaces a time that was moved', () => {
  const scene = new Scene()
  const record = { ...archived('ann', T + DAY), session: 'live', status: 'online', aheadMs: DAY } as const
  const ann = scene.here.restore(record, T)
  const lastSeen = scene.correction.restore(record, T, { setBackMs: 0, unsetMs: 0 })
  scene.view.put('ann', { status: 'online', text: undefined, expiresAt: undefined }, lastSeen, undefined)
  expect(scene.records.get('ann')).toStrictEqual({ ...record, session: 'held' })
  // The session is back, which others do not see, so there is no fact.
  expect(scene.here.open('ann', named('s'), T + 1, {}).fact).toBeUndefined()
  expect(ann?.heardAt).toBe(T + 1)
  expect(scene.records.get('ann')).toStrictEqual({
    ...archived('ann', T + 1),
    session: 'live',
    status: 'online',
  })
})

test('all records: each user once, also those whom others do not see yet', () => {
  const scene = new Scene()
  scene.visit('offline', T)
  scene.come('online', T)
  scene.come('hidden', T, { choice: HIDDEN })
  scene.here.open('pending', named('s'), T, {})
  const users = [...scene.records.all()].map(({ userId, session }) => `${userId} ${session}`)
  expect(users).toEqual(['offline none', 'online live', 'hidden live', 'pending live'])
})

test('all records while users change: each in the state of the moment when it is reached', () => {
  const scene = new Scene()
  for (const userId of ['ann', 'bob', 'eve']) scene.visit(userId, T)
  const reading = scene.records.all()
  expect(reading.next().value).toMatchObject({ userId: 'ann' })
  scene.view.forget('bob')
  scene.come('eve', T + 1)
  scene.come('joe', T + 2, { choice: HIDDEN })
  const rest = [...reading].map(({ userId, lastSeen }) => `${userId} ${lastSeen - T}`)
  expect(rest).toEqual(['eve 1', 'joe 2'])
})
