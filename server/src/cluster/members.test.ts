import { expect, test } from 'vitest'
import type { Entry, EntryKind } from './entry.ts'
import { Members } from './members.ts'

const T = 1_000_000

function entry(node: string, kind: EntryKind, at: number, since?: number): Entry {
  const body = { format: 1, at, facts: [], registers: [], ...(since === undefined ? {} : { since }) } as const
  return { place: { epoch: 1, seq: 1 }, node, batch: 1, kind, body }
}

/** The members that are silent after so many own beats, by which all other members are silent. */
function silentAfter(members: Members, beats: number, atLeast?: number): string[] {
  for (let beat = 1; beat <= beats; beat++) members.beat(T + 1_000 * beat)
  return members.silent(atLeast)
}

test('[N2] a member is lost after nine beats of the judge, and after fifteen if it has said that it stops', () => {
  const members = new Members()
  members.load({ nodes: new Map([['dead', 1]]), abouts: new Map(), epoch: 1 }, T)
  members.read(entry('stops', 'left', T), T)
  expect(silentAfter(members, 8)).toEqual([])
  members.beat(T + 9_000)
  expect(members.silent()).toEqual(['dead'])
  for (let beat = 10; beat <= 14; beat++) members.beat(T + 1_000 * beat)
  expect(members.silent()).toEqual(['dead'])
  members.beat(T + 15_000)
  expect(members.silent()).toEqual(['dead', 'stops'])
})

test('[R3] after a restart of all nodes, the former ones get more beats', () => {
  const members = new Members()
  members.load({ nodes: new Map([['dead', 1]]), abouts: new Map(), epoch: 1 }, T)
  expect(silentAfter(members, 29, 30)).toEqual([])
  members.beat(T + 30_000)
  expect(members.silent(30)).toEqual(['dead'])
})

test('[R3] a restart of all nodes is one where every node that writes has joined after that time', () => {
  const members = new Members()
  const nodes = new Map([
    ['dead', 1],
    ['old', 1],
  ])
  members.load({ nodes, abouts: new Map(), epoch: 1 }, T)
  members.read(entry('own', 'join', T, T), T)
  // A member that has not written since the load says nothing about it.
  expect([T - 1, T].map(time => members.haveJoinedAfter(time))).toEqual([true, false])
  // Negative control: one that was there before.
  members.read(entry('old', 'beat', T, T - 60_000), T)
  expect(members.haveJoinedAfter(T - 1)).toBe(false)
})

test('a member that has missed three beats is not the eldest any more, until it writes again', () => {
  const members = new Members()
  members.read(entry('old', 'beat', T, T - 60_000), T)
  members.read(entry('young', 'beat', T, T - 1_000), T)
  silentAfter(members, 2)
  expect(members.isEldest('own', T - 2_000)).toBe(false)
  members.beat(T + 3_000)
  expect(members.isEldest('own', T - 2_000)).toBe(true)
  expect(members.isEldest('old', T - 60_000)).toBe(true)
  members.read(entry('old', 'beat', T + 3_100), T + 3_100)
  expect(members.isEldest('own', T - 2_000)).toBe(false)
  // Negative control: an older one that writes counts, also if another one is silent.
  members.read(entry('young', 'beat', T + 3_100), T + 3_100)
  expect(members.isEldest('own', T)).toBe(false)
})

test('own beats that are read back count as missed by others until they write, and time does not', () => {
  const members = new Members()
  members.read(entry('b', 'beat', 1_000), 1_000)
  expect(members.missedBeats('b')).toBe(0)
  for (const at of [2_000, 3_000, 4_000]) members.beat(at)
  expect(members.missedBeats('b')).toBe(3)
  // After an hour without own beats, while Redis did not answer.
  members.beat(3_604_000)
  expect(members.missedBeats('b')).toBe(4)
  members.read(entry('b', 'beat', 3_604_100), 3_604_100)
  expect(members.missedBeats('b')).toBe(0)
  expect(members.missedBeats('nobody')).toBe(0)
})
