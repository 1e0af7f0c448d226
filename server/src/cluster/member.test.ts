import { expect, test } from 'vitest'
import type { Command, Host, MemberEvent } from './command.ts'
import type { Entry } from './entry.ts'
import { Member } from './member.ts'
import { ASKS_NOTHING } from './testing/unknown-user.ts'

/** A host without users and registers. */
const HOST: Host = {
  ...ASKS_NOTHING,
  compose: () => ({ fact: undefined, registers: [] }),
  register: () => undefined,
  refusal: () => undefined,
  users: () => [],
  usersOf: () => [],
  hasLeases: () => false,
  unrepeatedRegisters: () => [],
  happened: () => {},
}

const END = { epoch: 1_000, seq: 1_000 }
const BEFORE = 1_000_000
const HOUR_LATER = 4_600_000

function idOf(commands: readonly Command[], what: Command['do']): number {
  const command = commands.find(one => one.do === what)
  if (!command) throw new Error(`no command "${what}"`)
  return command.id
}

/** A member that has loaded by a clock, and whose connection was closed then. Returns the commands of the new one. */
function reconnect(clock: number): { readonly member: Member; readonly commands: Command[] } {
  const member = new Member({ node: 'one', about: { name: 'one', version: '1' } }, HOST)
  const server = 'before'
  const first = member.connected(idOf(member.start(1), 'connect'), { server, end: END }, 2)
  member.toldTime(idOf(first, 'time'), clock, 2)
  const [nodes, abouts, facts, registers] = [new Map(), new Map(), new Map(), new Map()]
  const loaded = { end: END, epoch: END.epoch, server, nodes, abouts, facts, registers }
  member.loaded(idOf(first, 'load'), loaded, 3)
  const connectId = idOf(member.disconnected(4), 'connect')
  return { member, commands: member.connected(connectId, { server: 'after', end: END }, 5) }
}

test('after a restart of Redis, an epoch begins by the clock of the new process', () => {
  const { member, commands } = reconnect(BEFORE)
  // Otherwise other nodes take the epoch for an hour old, and are ready before the members have asserted.
  expect(commands.map(({ do: what }) => what)).not.toContain('append')
  const [append] = member.toldTime(idOf(commands, 'time'), HOUR_LATER, 5)
  expect(append).toMatchObject({ do: 'append', request: { kind: 'epoch', newEpoch: HOUR_LATER } })
})

test('a connection on which Redis does not tell its time is given up', () => {
  const { member, commands } = reconnect(BEFORE)
  // What was appended on the connection before comes back, so the node waits for nothing else.
  const body = { format: 1, at: BEFORE, facts: [], registers: [] } as const
  const entry = { place: { epoch: 1_000, seq: 1_001 }, node: 'one', batch: 1, kind: 'say', body } as const
  const later = member.entriesRead(idOf(commands, 'read'), [entry], 6)
  for (let now = 50; now <= 5_000; now += 50) later.push(...member.tick(now))
  expect(idOf(later, 'connect')).toBeDefined()
})

const appendedAt = (seq: number) => ({ reply: 'appended', place: { epoch: END.epoch, seq } }) as const

function entryOf(node: string, batch: number, kind: string, epoch: number, seq: number): Entry {
  const body = { format: 1, at: BEFORE, facts: [], registers: [], again: kind === 'epoch' } as const
  return { place: { epoch, seq }, node, batch, kind: kind as Entry['kind'], body }
}

function kicksOf(command: Command): (readonly string[])[] {
  const kicks = command.do === 'append' ? command.request.body.kicks : undefined
  return kicks ? [kicks] : []
}

/** A member that has read up to `END` and asserts, and what it has told its host. */
function joining() {
  const told: MemberEvent[] = []
  const host = { ...HOST, happened: (event: MemberEvent) => void told.push(event) }
  const member = new Member({ node: 'one', about: { name: 'one', version: '1' } }, host)
  const server = 'same'
  const first = member.connected(idOf(member.start(1), 'connect'), { server, end: END }, 2)
  member.toldTime(idOf(first, 'time'), BEFORE, 2)
  const [nodes, abouts, facts, registers] = [new Map(), new Map(), new Map(), new Map()]
  const loaded = { end: END, epoch: END.epoch, server, nodes, abouts, facts, registers }
  return { member, told, commands: member.loaded(idOf(first, 'load'), loaded, 3) }
}

test('the host is told that a batch was refused, because its number is used again for something else', () => {
  const { member, told, commands } = joining()
  member.answered(idOf(commands, 'append'), { reply: 'epoch', epoch: 900 }, 4)
  expect(told).toContainEqual({ what: 'refused', batch: 1 })
  expect(told.filter(({ what }) => what === 'placed')).toEqual([])
})

test('an epoch that began with smaller numbers than were told is replaced', () => {
  const { member, commands } = joining()
  const body = { format: 1, at: BEFORE, facts: [], registers: [], again: true } as const
  const entry = { place: { epoch: 1_001, seq: 999 }, node: 'two', batch: 1, kind: 'epoch', body } as const
  const read = member.entriesRead(idOf(commands, 'read'), [entry], 4)
  const later = [...read, ...member.answered(idOf(commands, 'append'), { reply: 'epoch', epoch: 1_001 }, 5)]
  const append = later.find(command => command.do === 'append')
  expect(append).toMatchObject({ request: { kind: 'epoch', epoch: 1_001 } })
})

test.each([
  { name: 'lost before it is read back is said again', isRead: false, again: [['ann']], refused: 1 },
  { name: 'read back is not said again', isRead: true, again: [undefined], refused: 0 },
])('[N5] what is $name in the next epoch', ({ isRead, again, refused }) => {
  const { member, told, commands } = joining()
  const joined = member.answered(idOf(commands, 'append'), appendedAt(1_001), 4)
  const said = member.changed({ kicks: ['ann'] }, 5)
  const ended = member.answered(idOf([...joined, ...said], 'append'), appendedAt(1_002), 6)
  expect([...joined, ...ended].flatMap(kicksOf)).toEqual([])
  const kicked = [...ended, ...member.tick(60)]
  expect(kicked.flatMap(kicksOf)).toEqual([['ann']])
  member.answered(idOf(kicked, 'append'), appendedAt(1_003), 61)
  const entries = ['join', 'end', 'say'].map((kind, i) =>
    entryOf('one', i + 1, kind, END.epoch, END.seq + 1 + i),
  )
  const epoch = entryOf('two', 1, 'epoch', 2_000, 2_000)
  const read = member.entriesRead(idOf(commands, 'read'), [...(isRead ? entries : []), epoch], 70)
  expect(told.filter(({ what }) => what === 'refused')).toHaveLength(3 * refused)
  expect(told.some(({ what }) => what === 'placed')).toBe(isRead)
  expect(read.filter(({ do: what }) => what === 'append').map(command => kicksOf(command)[0])).toEqual(again)
})

test('[N5] what Redis has lost is said again, although a later batch is read before its place', () => {
  const { member, told, commands } = joining()
  const joined = member.answered(idOf(commands, 'append'), appendedAt(1_010), 4)
  const ended = member.answered(idOf(joined, 'append'), appendedAt(1_001), 5)
  const entry = entryOf('one', 2, 'end', END.epoch, END.seq + 1)
  member.entriesRead(idOf([...commands, ...joined, ...ended], 'read'), [entry], 6)
  const about = told.filter(({ what }) => what === 'refused' || what === 'placed')
  expect(about).toEqual([
    { what: 'refused', batch: 1 },
    { what: 'placed', batch: 2 },
  ])
})

test('a time that no clock has is not taken, so the connection is given up', () => {
  const member = new Member({ node: 'one', about: { name: 'one', version: '1' } }, HOST)
  const first = member.connected(idOf(member.start(0), 'connect'), { server: 'first', end: END }, 1)
  member.toldTime(idOf(first, 'time'), 10 ** 15, 2)
  expect(member.knowsTime).toBe(false)
  member.toldTime(idOf(first, 'time'), BEFORE, 2)
  expect(member.knowsTime).toBe(true)
})
