import { beforeEach, expect, test } from 'vitest'
import type { PresentUser } from '../presence/present-user.ts'
import { ClusterLog } from './cluster-log.ts'
import type { EntryBody } from './entry.ts'
import type { Agreed } from './log.ts'
import { joinValue } from './registers.ts'
import { GONE, NO_PART } from './testing/unknown-user.ts'

// How the log of a node follows and begins the forgetting of users.

const T = 1_750_000_000_000
const KEEP_MS = 1_000

const member = {
  place: { epoch: T, seq: T },
  isSettled: true,
  settledSince: undefined,
  canResumeFrom: () => true,
  isEldest: true,
  isEldestToStay: true,
  isAway: false,
}

let log: ClusterLog
let agreed: Agreed[]
let changed: string[]
let seq: number
let now: number
const HIDDEN_KEEP_MS = 1_000
const present = new Map<string, PresentUser>()

beforeEach(() => {
  Object.assign(member, { isSettled: true, isEldest: true, isAway: false })
  agreed = []
  changed = []
  seq = now = T
  present.clear()
  log = new ClusterLog('a', () => {}, KEEP_MS, HIDDEN_KEEP_MS)
  log.listen((_, what) => agreed.push(what))
  const access = {
    member,
    changed: ({ users = [] }: { users?: Iterable<string> | undefined }) => void changed.push(...users),
    time: () => now,
  }
  log.attach(access, {
    present: userId => present.get(userId) ?? GONE,
    usersHere: () => present.keys(),
    part: () => NO_PART,
  })
})

const value = (content: unknown, stamp = T) => joinValue({ stamp, node: 'b', json: JSON.stringify(content) })

/** An entry was read. Returns what the nodes agree on with it. */
function read(node: string, body: Partial<EntryBody>): Agreed | undefined {
  const place = { epoch: T, seq: ++seq }
  const whole = { format: 1, at: T, facts: [], registers: [], ...body } as const
  log.happened({ what: 'entry', entry: { place, node, batch: seq, kind: 'say', body: whole } })
  log.happened({ what: 'reached', place })
  return agreed.at(-1)
}

const ANN = { ...GONE, isHere: true, isVisible: true, lastSeen: T, username: 'Ann' }
const KNOWN = { registers: [['n:ann', value('Ann')]] } as const
const FORGOTTEN = { registers: [['n:ann', value(null, T + 1)]] } as const

test('[I9] a user of this node whom another one forgets is said again, with the name', () => {
  read('b', KNOWN)
  present.set('ann', ANN)
  expect(read('b', FORGOTTEN)?.unnamed).toEqual([{ userId: 'ann', username: 'Ann' }])
  expect(changed).toEqual(['ann'])
  // It is told once.
  expect(read('b', {})?.unnamed).toEqual([])
})

test('[I9] nothing is said again of a user who is not here, or whom this node itself has forgotten', () => {
  read('b', KNOWN)
  expect(read('b', FORGOTTEN)?.unnamed).toEqual([])
  read('b', KNOWN)
  present.set('ann', ANN)
  expect(read('a', FORGOTTEN)?.unnamed).toEqual([])
  expect(changed).toEqual([])
})

test('[I9] the eldest member forgets for all, unless it is away or does not know what the others know', () => {
  expect(log.forgetsStale).toBe(true)
  for (const other of [{ isEldest: false }, { isAway: true }, { isSettled: false }]) {
    Object.assign(member, { isSettled: true, isEldest: true, isAway: false }, other)
    expect(log.forgetsStale).toBe(false)
  }
})

test('[I9] the member can write back that a register was removed', () => {
  read('b', KNOWN)
  expect(log.register('n:ann')).toBe(value('Ann'))
  read('b', FORGOTTEN)
  expect(log.register('n:ann')).toBe(value(null, T + 1))
  log.happened({ what: 'epoch', epoch: T + 1 })
  expect([...log.unrepeatedRegisters()]).toEqual(['n:ann'])
})

test('[I9] the registers of a user whom nobody has ever seen are removed at last, unless a node has the user', () => {
  const hidden = (userId: string, stamp: number) =>
    [`c:${userId}`, value({ status: 'offline', madeAt: stamp, keptSince: stamp }, stamp)] as const
  const registers = [hidden('old', T - KEEP_MS - 1), hidden('new', T), hidden('here', 5), hidden('seen', 5)]
  const s = ['s:seen', value(5, 5)] as const
  read('b', { registers: [...registers, s], facts: [['here', { p: 0, n: 1, h: 5, s: {} }, 'opened']] })
  log.happened({ what: 'beat' })
  expect(changed).toEqual(['old'])
  expect(log.compose('old', 1, false).registers).toEqual([
    ['c:old', joinValue({ stamp: T - KEEP_MS, node: 'a', json: 'null' })],
  ])
  // The next rounds find the same until it was read back, and only the node that forgets for all looks.
  changed = []
  Object.assign(member, { isEldest: false })
  for (let beats = 0; beats < 3; beats++) log.happened({ what: 'beat' })
  expect(changed).toEqual([])
  Object.assign(member, { isEldest: true })
  read('a', { registers: log.compose('old', 1, false).registers })
  for (let beats = 0; beats < 3; beats++) log.happened({ what: 'beat' })
  expect(changed).toEqual([])
})

test('[R4] the eldest member says since when a user has no session who hides, if the node of the user is lost', () => {
  const hidden = ['c:ann', value({ status: 'offline', madeAt: T - 9 }, T - 9)] as const
  read('b', { registers: [hidden], facts: [['ann', { p: 0, n: 1, h: 5, s: {} }, 'opened']] })
  log.happened({ what: 'beat' })
  expect([changed, log.elsewhere.choiceOf('ann')?.choice.status]).toEqual([[], 'offline'])
  read('b', { facts: [['ann', null, 'lost']] })
  log.happened({ what: 'beat' })
  expect(changed).toEqual(['ann'])
  const { registers } = log.compose('ann', 1, false)
  const kept = { status: 'offline', madeAt: T - 9, keptSince: T }
  expect(registers).toEqual([['c:ann', joinValue({ stamp: T - 8, node: 'a', json: JSON.stringify(kept) })]])
  changed = []
  read('a', { registers })
  for (let beats = 0; beats < 3; beats++) log.happened({ what: 'beat' })
  expect([changed, log.elsewhere.choiceOf('ann')?.choice.status]).toEqual([[], 'offline'])
  now = T + HIDDEN_KEEP_MS
  expect(log.elsewhere.choiceOf('ann')?.choice.status).toBe('online')
})

test('[E15] a choice ahead of a user who has never come is removed an hour after its end, if no node keeps it', () => {
  const HOUR = 3_600_000
  const ahead = (userId: string, expiresAt: number) =>
    [`c:${userId}`, value({ status: 'busy', expiresAt, madeAt: T, keptSince: 0 }, T)] as const
  now = T + KEEP_MS
  read('b', {
    registers: [ahead('over', now - HOUR - 1), ahead('doubted', now - HOUR), ahead('ahead', now + 1)],
  })
  log.happened({ what: 'beat' })
  expect(changed).toEqual(['over'])
  expect(log.compose('over', 1, false).registers).toEqual([
    ['c:over', joinValue({ stamp: T + 1, node: 'a', json: 'null' })],
  ])
})
