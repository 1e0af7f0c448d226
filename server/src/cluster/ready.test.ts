import { expect, test } from 'vitest'
import type { Command, Host } from './command.ts'
import type { EntryKind } from './entry.ts'
import { Member } from './member.ts'
import { RedisModel } from './redis.model.ts'
import { ASKS_NOTHING } from './testing/unknown-user.ts'

// When a node that starts counts as ready, beside members that live, have stopped, or have died.

const STEP_MS = 10
const SERVER = 'server'

/** A member, and a Redis that answers it at once. */
class Driven {
  readonly member: Member
  readonly events: string[] = []
  readonly #redis: RedisModel
  #commands: Command[] = []

  constructor(node: string, redis: RedisModel) {
    const host: Host = {
      ...ASKS_NOTHING,
      compose: () => ({ fact: undefined, registers: [] }),
      register: () => undefined,
      refusal: () => undefined,
      users: () => [],
      usersOf: () => [],
      hasLeases: () => false,
      unrepeatedRegisters: () => [],
      happened: ({ what }) => void this.events.push(what),
    }
    this.member = new Member({ node, about: { name: node, version: '1' } }, host)
    this.#redis = redis
  }

  start(now: number): void {
    this.#commands = this.member.start(now)
  }

  stop(now: number): void {
    this.#commands.push(...this.member.stop(now))
  }

  run(now: number): void {
    this.#commands.push(...this.member.tick(now))
    for (const command of this.#commands.splice(0)) this.#commands.push(...this.#carryOut(command, now))
  }

  #carryOut(command: Command, now: number): Command[] {
    const { member } = this
    const redis = this.#redis
    const { id } = command
    switch (command.do) {
      case 'connect':
        return member.connected(id, { server: SERVER, end: redis.end }, now)
      case 'time':
        return member.toldTime(id, now, now)
      case 'load':
        return member.loaded(id, redis.load(), now)
      case 'append':
        return member.answered(id, redis.append(command.request), now)
      case 'read':
        return member.entriesRead(id, redis.read(command.after, command.count), now)
      case 'audit':
        return member.audited(id, { nodes: new Map(redis.nodes), ownFacts: 0 }, now)
    }
  }
}

/** One member that lives, and one that ends in some way, before a new node starts. */
function startBeside(end: 'left' | 'killed') {
  const redis = new RedisModel()
  const [alive, ended, started] = ['alive', 'ended', 'started'].map(node => new Driven(node, redis)) as [
    Driven,
    Driven,
    Driven,
  ]
  let now = 1_000_000
  const run = (nodes: readonly Driven[], ms: number): void => {
    for (const until = now + ms; now < until; now += STEP_MS) for (const node of nodes) node.run(now)
  }
  alive.start(now)
  ended.start(now)
  run([alive, ended], 20_000)
  if (end === 'left') ended.stop(now)
  run([alive, ended], 500)
  started.start(now)
  const begun = now
  while (!started.member.isReady && now < begun + 30_000) run([alive, started], STEP_MS)
  const kinds: EntryKind[] = redis.log.filter(({ node }) => node === 'ended').map(({ kind }) => kind)
  return { readyMs: now - begun, last: kinds.at(-1), isSettled: started.member.isSettled, started }
}

test('beside a member that has stopped, a node is ready as soon as clients can resume from it', () => {
  const { readyMs, last, isSettled, started } = startBeside('left')
  expect(last).toBe('left')
  expect(isSettled).toBe(true)
  expect(readyMs).toBeLessThanOrEqual(2_500)
  expect(started.events).not.toContain('nodeLost')
})

test('beside a member that has died, a node is ready after 5 s, though clients can not resume from it yet', () => {
  const { readyMs, last, isSettled } = startBeside('killed')
  expect(last).toBe('beat')
  expect(isSettled).toBe(false)
  expect(readyMs).toBeGreaterThanOrEqual(5_000)
  expect(readyMs).toBeLessThanOrEqual(6_500)
})
