import { expect, test } from 'vitest'
import { UNPACED } from './presence/pace.ts'
import { Presence, type PresenceRecord } from './presence/presence.ts'
import { HIDDEN_UNTIL, hideSpectator, SPECTATOR } from './spectator.ts'

const DAY_MS = 86_400_000

function house(records: readonly PresenceRecord[] = []) {
  const presence = new Presence({
    graceMs: 5_000,
    restartGraceMs: 15_000,
    changePace: UNPACED,
    maxKnown: 100,
    keepMs: 30 * DAY_MS,
  })
  presence.restore(records, 0)
  const noted: PresenceRecord[] = []
  const store = { note: (record: PresenceRecord) => void noted.push(record) }
  return {
    presence,
    noted,
    hide: (now: number) => hideSpectator({ presence, store, clock: { now: () => now } }),
  }
}

const session = { id: 'page', named: true }

test('nobody sees a page come, choose to be hidden, or go', () => {
  const { presence, hide, noted } = house()
  hide(1)
  hide(2)
  expect(noted).toHaveLength(1)
  const outcomes = [
    presence.open(SPECTATOR, session, 3),
    presence.setStatus(SPECTATOR, { status: 'offline', expiresAt: Date.parse(HIDDEN_UNTIL) }, 4),
    presence.leave(SPECTATOR, session.id, 5),
    presence.open(SPECTATOR, session, 6),
    presence.lose(SPECTATOR, session.id, 7),
    presence.advance(100_000, 10),
    presence.open(SPECTATOR, session, 100_001),
  ]
  expect(outcomes.flatMap(({ changes }) => changes)).toEqual([])
  expect(presence.onlineCount).toBe(0)
})

test('it stays so after a restart, as it was noted', () => {
  const { hide, noted } = house()
  hide(1)
  const next = house(noted)
  expect(next.presence.open(SPECTATOR, session, 2).changes).toEqual([])
  next.hide(3)
  expect(next.noted).toEqual([])
})

test('without it a page would be seen: the test above can fail', () => {
  expect(house().presence.open(SPECTATOR, session, 1).changes).toHaveLength(1)
})
