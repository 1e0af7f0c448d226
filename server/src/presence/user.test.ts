import { expect, test } from 'vitest'
import { HOUR, named, T, tab } from './testing/scenario.ts'
import { User } from './user.ts'

const BUSY = { status: 'busy' } as const
const HIDDEN = { status: 'offline' } as const

/** A user with these sessions, who is visible to others. */
function present(...ids: string[]): User {
  const user = new User('ann', T, false)
  for (const id of ids) user.open(named(id), T)
  user.markSaid(T)
  return user
}

test('a new user is done, and not visible', () => {
  const user = new User('ann', T, false)
  expect(user).toMatchObject({ isDone: true, isVisible: false, isSaid: true, liveness: 'none' })
  expect(user).toMatchObject({ hasSessions: false, hides: false, isIdle: false, isInactive: false })
  expect(user).toMatchObject({ heardAt: undefined, keptUntil: 0, chosenAt: 0, isKeptHidden: false })
})

test('[R1] liveness is `live` with a live session, and `held` with lost ones only', () => {
  const user = present('a', 'b')
  expect(user.liveness).toBe('live')
  expect(user.hold('a', 10, 20)).toBe(10)
  expect(user.liveness).toBe('live')
  user.hold('b', 10, 20)
  expect(user.liveness).toBe('held')
  expect(user.endHeld(9)).toEqual([])
  expect(user.endHeld(10)).toEqual(['a', 'b'])
  // Others still see the user until that is said.
  expect(user.liveness).toBe('held')
  user.markSaid(T)
  expect(user).toMatchObject({ liveness: 'none', isVisible: false })
})

test('[R2] only sessions whose grace period is over end', () => {
  const user = present('a', 'b', 'c')
  user.setSession('b', { isInactive: true })
  expect(user.hold('a', 10, 20)).toBe(10)
  expect(user.hold('b', 10, 20)).toBe(20)
  expect(user.isInactive).toBe(true)
  expect(user.endHeld(15)).toEqual(['a'])
  expect(user.endHeld(20)).toEqual(['b'])
  expect(user).toMatchObject({ liveness: 'live', isInactive: false })
})

test('an unknown or lost session can be neither lost nor left, and its activity does not change', () => {
  const user = present('a', 'b')
  expect(user.hold('unknown', 10, 20)).toBe(10)
  expect(user.end('unknown')).toBe(false)
  user.hold('a', 10, 20)
  expect(user.end('a')).toBe(false)
  user.hold('a', 90, 90)
  user.setSession('b', { isIdle: true })
  user.setSession('a', { isIdle: true })
  expect(user.isIdle).toBe(false)
  expect(user.endHeld(10)).toEqual(['a'])
})

test('[R8] held sessions are held longer, and never shorter', () => {
  const user = present('a', 'b')
  expect(user.holdLonger(10)).toBe(false)
  user.hold('a', 10, 10)
  expect(user.holdLonger(10)).toBe(false)
  expect(user.holdLonger(15)).toBe(true)
  expect(user.endHeld(14)).toEqual([])
  expect(user.endHeld(15)).toEqual(['a'])
})

test('[R12] a user is idle if all sessions are, and a returning session has its activity again', () => {
  const user = present('a', 'b')
  user.setSession('a', { isIdle: true })
  expect(user.due.sessions).toBe('active')
  user.setSession('b', { isIdle: true })
  expect(user.due.sessions).toBe('idle')
  user.hold('b', 10, 10)
  user.open(named('b'), T)
  expect(user.isIdle).toBe(true)
  user.open(named('c'), T)
  expect(user.isIdle).toBe(false)
})

test('[R15] an unnamed session replaces the unnamed one that has been held longest', () => {
  const user = new User('ann', T, false)
  for (const id of ['s1', 's2', 's3']) user.open(tab(id), T)
  user.open(named('a'), T)
  for (const id of ['a', 's2', 's1']) user.hold(id, 10, 10)
  user.open(tab('s4'), T)
  expect(user.endHeld(10)).toEqual(['a', 's1'])
})

test('[R4] leaving with the last session ends hiding without an end, and no other choice', () => {
  for (const [choice, isOver] of [
    [HIDDEN, true],
    [{ ...HIDDEN, expiresAt: T + 9 }, false],
    [BUSY, false],
  ] as const) {
    const user = present('a', 'b')
    user.choose(choice, T)
    user.end('a')
    expect(user.choice).toEqual(choice)
    user.end('b')
    expect(user.choice).toEqual(isOver ? { status: 'online' } : choice)
    expect(user.chosenAt).toBe(isOver ? 0 : T)
  }
})

test('[R17] a choice needs a session, and two choices in the same millisecond have different times', () => {
  expect(new User('ann', T, true).choose(BUSY, T)).toBe(false)
  const user = present('a')
  expect(user.choose(BUSY, T)).toBe(true)
  expect(user.choose(BUSY, T)).toBe(false)
  expect(user.chosenAt).toBe(T + 1)
  expect(user.choose({ ...BUSY, text: 'hi' }, T + 5)).toBe(true)
})

test.each([
  ['older', T - 1, false],
  ['the same', T, false],
  ['newer', T + 1, true],
  ['a little ahead of the clock', T + 6_000, true],
  ['far ahead of the clock', T + 6_001, false],
])('[R17] a choice that is %s', (_, madeAt, counts) => {
  const user = present('a')
  user.choose(BUSY, T)
  expect(user.chooseFirst({ status: 'away', madeAt }, T + 1_000)).toBe(counts)
  expect(user.chosenAt).toBe(counts ? Math.min(madeAt, T + 1_000) : T)
})

test('[R17] a time far in the future counts if no other one is known', () => {
  const user = present('a')
  expect(user.chooseFirst({ ...BUSY, madeAt: T + HOUR }, T)).toBe(true)
  expect(user.chosenAt).toBe(T)
})

test('[R4 R17] without a session, only hiding or the time of a choice is kept', () => {
  for (const [choice, kept] of [
    [{ status: 'online' }, { chosenAt: 0, keptUntil: 0, isKeptHidden: false, isDone: true }],
    [BUSY, { chosenAt: T, keptUntil: 50, isKeptHidden: false, choice: { status: 'online' } }],
    [HIDDEN, { chosenAt: T, keptUntil: 50, isKeptHidden: true, choice: HIDDEN }],
  ] as const) {
    const user = present('a')
    if (choice.status !== 'online') user.choose(choice, T)
    user.hold('a', 10, 10)
    expect(user.deactivate(50)).toBe(false)
    user.endHeld(10)
    user.markSaid(T)
    expect(user.deactivate(50)).toBe(kept.keptUntil > 0)
    expect(user).toMatchObject(kept)
    user.endKept(49)
    expect(user.keptUntil).toBe(kept.keptUntil)
    user.endKept(50)
    expect(user).toMatchObject({ isDone: true, keptUntil: 0, chosenAt: 0 })
  }
})

test('[R13] a choice with an end stays until its end', () => {
  const user = present('a')
  const choice = { ...HIDDEN, expiresAt: T + 100 }
  user.choose(choice, T)
  user.end('a')
  user.markSaid(T)
  expect(user.deactivate(50)).toBe(true)
  expect(user.isKeptHidden).toBe(false)
  user.endKept(50)
  expect(user).toMatchObject({ choice, isDone: false })
  expect(user.expire(T + 99)).toBe(false)
  expect(user.expire(T + 100)).toBe(true)
  expect(user).toMatchObject({ chosenAt: 0, isDone: true })
})

test('[R17] the time of a choice is kept after its end, for as long as the setting says', () => {
  const user = present('a')
  user.choose({ ...BUSY, expiresAt: T + 100 }, T)
  user.end('a')
  user.markSaid(T)
  user.deactivate(50)
  user.expire(T + 100)
  expect(user).toMatchObject({ chosenAt: T, isDone: false })
  user.endKept(50)
  expect(user).toMatchObject({ chosenAt: 0, isDone: true })
})

test('[R11] a sign of life is the latest one, and moves with the clock', () => {
  const user = present('a')
  expect(user.heardAt).toBe(T)
  user.heard(T - 5)
  expect(user.heardAt).toBe(T)
  user.heard(T + 5)
  user.moveHeard(HOUR)
  expect(user.heardAt).toBe(T + 5 + HOUR)
})

test('[R6] a delayed change has one deadline for each time', () => {
  const user = present('a')
  expect([user.wait(10), user.wait(10), user.wait(20)]).toEqual([true, false, true])
  user.markSaid(T)
  expect(user.wait(20)).toBe(true)
  expect(new User('bob', T, true).wait(10)).toBe(false)
})

test('[R18] a user who becomes visible was last seen at that moment', () => {
  const user = present('a')
  user.choose(HIDDEN, T)
  user.markSaid(T + 1)
  expect([user.isVisible, user.heardAt]).toEqual([false, T])
  user.choose(BUSY, T + 5)
  expect(user.cause).toBe('opened')
  user.markSaid(T + 5)
  expect([user.isVisible, user.heardAt]).toEqual([true, T + 5])
  user.choose({ status: 'away' }, T + 9)
  user.markSaid(T + 9)
  expect(user.heardAt).toBe(T + 5)
})

test('[R14] a name waits until others see the user, unless they see that name already', () => {
  const user = present('a')
  user.rename('Ann', undefined)
  expect([user.newName, user.isSaid, user.cause]).toEqual(['Ann', false, 'renamed'])
  user.markSaid(T)
  expect([user.newName, user.isSaid]).toEqual([undefined, true])
  user.rename('Anna', 'Ann')
  user.rename('Ann', 'Ann')
  expect(user.newName).toBeUndefined()
})

test('the cause is the reason for what is due', () => {
  const user = present('a')
  user.setSession('a', { isIdle: true })
  expect(user.cause).toBe('idle')
  user.markSaid(T)
  user.setSession('a', { isIdle: false })
  expect(user.cause).toBe('active')
  user.choose({ ...BUSY, expiresAt: T + 5 }, T)
  expect(user.cause).toBe('chosen')
  user.markSaid(T)
  user.expire(T + 5)
  expect(user.cause).toBe('expired')
  user.choose(BUSY, T + 6)
  expect(user.cause).toBe('chosen')
  user.choose(HIDDEN, T + 7)
  expect(user.cause).toBe('left')
  user.choose(BUSY, T + 8)
  user.hold('a', 10, 10)
  user.endHeld(10)
  expect(user.cause).toBe('lost')
})
