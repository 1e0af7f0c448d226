import { beforeEach, expect, test } from 'vitest'
import { NO_CHOICE } from '../presence/choice.ts'
import type { PresentUser } from '../presence/here.ts'
import { T } from '../presence/testing/scenario.ts'
import { ClusterLog } from './cluster-log.ts'
import type { EntryBody, Place } from './entry.ts'
import type { Changed } from './outbox.ts'
import { joinValue } from './registers.ts'

const HIDDEN = { status: 'offline' } as const
const ANN: PresentUser = {
  said: { sessions: 'active', choice: NO_CHOICE },
  choice: NO_CHOICE,
  madeAt: 0,
  isHere: true,
  isVisible: true,
  connections: 1,
  sessions: { s1: T },
  lastSeen: T,
  username: undefined,
}

let log: ClusterLog
let ann: PresentUser
let place: Place
let changed: Changed[]
let told: (number | undefined)[]

beforeEach(() => {
  ann = ANN
  place = { epoch: T, seq: T }
  changed = []
  told = []
  log = new ClusterLog('a', () => {})
  const member = {
    get place() {
      return place
    },
    isSettled: true,
    isAway: false,
    isEldest: false,
    canResumeFrom: ({ epoch }: Place) => epoch === place.epoch,
  }
  log.listen((_, { seq }) => told.push(seq))
  log.attach(
    { member, changed: what => changed.push(what), time: () => T },
    { present: () => ann, usersHere: () => ['ann'] },
  )
})

function read(node: string, what: Partial<EntryBody>, seq = place.seq + 1): void {
  place = { ...place, seq }
  const body = { format: 1, at: T, facts: [], registers: [], ...what } as const
  log.happened({ what: 'entry', entry: { place, node, batch: 1, kind: 'say', body } })
  log.happened({ what: 'reached', place })
}

/** Another node says what the user has chosen. */
function chose(choice: object, madeAt: number, stamp: number): void {
  const json = JSON.stringify({ ...choice, madeAt })
  read('b', { registers: [['c:ann', joinValue({ stamp, node: 'b', json })]] })
}

test('a client resumes only in the epoch in which it was welcomed', () => {
  expect(log.recalls({ epoch: `${T}`, seq: T })).toBe(true)
  expect(log.recalls({ epoch: 'a', seq: T })).toBe(false)
  place = { epoch: T + 10, seq: T + 12 }
  expect(log.recalls({ epoch: `${T}`, seq: T + 12 })).toBe(false)
  expect(log.recalls({ epoch: `${T + 10}`, seq: T + 12 })).toBe(true)
})

test('[R4] a node says a choice again that another node has ended without knowing the session', () => {
  ann = { ...ANN, choice: HIDDEN, madeAt: T }
  chose(NO_CHOICE, 0, T + 1)
  expect(changed).toEqual([{ users: ['ann'] }])
})

test.each([
  ['it is the same', { ...ANN, choice: HIDDEN, madeAt: T + 5 }],
  ['the log has a newer one', { ...ANN, choice: { status: 'busy' }, madeAt: T } as const],
  [
    'the user has no session here',
    { ...ANN, choice: { status: 'busy' }, madeAt: T + 5, sessions: {} } as const,
  ],
])('a node does not say a choice again if %s', (_, user) => {
  ann = user
  chose(HIDDEN, T + 2, T + 2)
  expect(changed).toEqual([])
})

test('clients are told growing numbers, even if those of the log went back', () => {
  const fact = { p: 1, n: 1, h: T, s: {} } as const
  read('b', { facts: [['bob', fact, 'opened']] }, T + 20)
  read('b', { facts: [['bob', null, 'left']] }, T + 15)
  read('b', { facts: [['bob', fact, 'opened']] }, T + 16)
  read('b', { facts: [['bob', null, 'left']] }, T + 1_020)
  expect(told).toEqual([T + 20, T + 21, T + 22, T + 1_020])
})

test('a node says a choice again that another node has ended with the same time', () => {
  ann = { ...ANN, choice: { status: 'busy' }, madeAt: T }
  chose(NO_CHOICE, T, T + 1)
  expect(changed).toEqual([{ users: ['ann'] }])
  // The end of a choice that has one is decided by its time.
  ann = { ...ann, choice: { status: 'busy', expiresAt: T + 9 } }
  chose(NO_CHOICE, T, T + 2)
  expect(changed).toHaveLength(1)
})
