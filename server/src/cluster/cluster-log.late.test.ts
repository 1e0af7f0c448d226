import { beforeEach, expect, test } from 'vitest'
import { NO_CHOICE } from '../presence/choice.ts'
import type { PresentUser } from '../presence/present-user.ts'
import { T } from '../presence/testing/scenario.ts'
import { ClusterLog } from './cluster-log.ts'
import type { EntryBody, Place } from './entry.ts'
import { NO_PART } from './testing/unknown-user.ts'

const ANN: PresentUser = {
  said: { sessions: 'active', choice: NO_CHOICE },
  choice: NO_CHOICE,
  madeAt: 0,
  isSetAhead: false,
  isHere: true,
  isVisible: true,
  connections: 1,
  sessions: { s1: T },
  isLookedAt: true,
  idleSince: undefined,
  leases: [],
  held: [],
  lastSeen: T,
  username: undefined,
}

let log: ClusterLog
let place: Place
let told: (number | undefined)[]

beforeEach(() => {
  place = { epoch: T, seq: T }
  told = []
  log = new ClusterLog('a', () => {})
  const member = {
    get place() {
      return place
    },
    isSettled: true,
    settledSince: undefined,
    isAway: false,
    isEldest: false,
    isEldestToStay: false,
    canResumeFrom: ({ epoch }: Place) => epoch === place.epoch,
  }
  log.listen((_, { seq }) => told.push(seq))
  log.attach(
    { member, changed: () => {}, time: () => T },
    { present: () => ANN, usersHere: () => ['ann'], part: () => NO_PART },
  )
})

function read(node: string, what: Partial<EntryBody>, seq = place.seq + 1): void {
  place = { ...place, seq }
  const body = { format: 1, at: T, facts: [], registers: [], ...what } as const
  log.happened({ what: 'entry', entry: { place, node, batch: 1, kind: 'say', body } })
  log.happened({ what: 'reached', place })
}

test('a client resumes only in the epoch in which it was welcomed', () => {
  expect(log.recalls({ epoch: `${T}`, seq: T })).toBe(true)
  expect(log.recalls({ epoch: 'a', seq: T })).toBe(false)
  place = { epoch: T + 10, seq: T + 12 }
  expect(log.recalls({ epoch: `${T}`, seq: T + 12 })).toBe(false)
  expect(log.recalls({ epoch: `${T + 10}`, seq: T + 12 })).toBe(true)
})

test('clients are told growing numbers, even if those of the log went back', () => {
  const fact = { p: 1, n: 1, h: T, s: {} } as const
  read('b', { facts: [['bob', fact, 'opened']] }, T + 20)
  read('b', { facts: [['bob', null, 'left']] }, T + 15)
  read('b', { facts: [['bob', fact, 'opened']] }, T + 16)
  read('b', { facts: [['bob', null, 'left']] }, T + 1_020)
  expect(told).toEqual([T + 20, T + 21, T + 22, T + 1_020])
})
