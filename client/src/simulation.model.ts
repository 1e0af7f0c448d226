import { seeded } from '@who-is-online/testing/random'
import type { createClient } from './client.ts'
import { ManualClock } from './clock.fake.ts'
import type { FakeConnection } from './connection.fake.ts'
import { FakeEvents } from './events.fake.ts'
import { choiceModel } from './own-choice.model.ts'
import { STATUSES, type User } from './protocol.ts'
import { FakeServer } from './server.fake.ts'
import type { PresenceUser } from './user-view.ts'

const USERS = Array.from({ length: 12 }, (_, n) => `u${n}`)
const CLOSE_CODES = [1000, 1006, 1012, 4409, 4429, 4500, 4503, 4508]
const STEPS = 50

/** Longer than the longest backoff, a silent connection and an attempt together, in ms. */
const HEALING_MS = 150_000

/**
 * Runs a client against a fake server with random faults, heals everything, and compares the client with the
 * server. Returns the violations. The same seed gives the same run.
 */
export async function simulate(create: typeof createClient, seed: number): Promise<string[]> {
  const random = seeded(seed)
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item
  const violations: string[] = []
  const clock = new ManualClock()
  const server = new FakeServer(clock, random)
  const network = new FakeEvents()
  const skewMs = pick([0, 0, -600_000, 600_000])
  for (const userId of USERS.slice(0, 8)) server.users.change(userId, pick(STATUSES))
  const client = create({
    url: 'ws://fake/ws',
    userId: 'me',
    WebSocket: server.WebSocket,
    platform: {
      ...clock,
      now: () => clock.now() + skewMs,
      random,
      network,
      document: undefined,
      storage: undefined,
      locks: undefined,
    },
  })
  const choice = choiceModel(client, server, violations, random)
  const versions = new Map<string, number>()
  client.onChange(changed => {
    for (const user of changed) {
      const version = versionOf(user)
      if (user.text === undefined) continue
      if (version < (versions.get(user.userId) ?? 0))
        violations.push(`${user.userId} went back to v${version}`)
      versions.set(user.userId, version)
    }
  })
  const subscriptions: { readonly userIds: string[]; readonly end: () => void }[] = []
  const toAll: (() => void)[] = []
  const toCount: (() => void)[] = []
  const toggle = (ends: (() => void)[], begin: () => () => void): void => {
    if (ends.length > 0) ends.pop()?.()
    else ends.push(begin())
  }
  const forEachConnection = (act: (connection: FakeConnection) => void): void => {
    for (const connection of [...server.connections]) act(connection)
  }

  const steps: readonly (readonly [weight: number, step: () => void])[] = [
    [30, () => server.users.change(pick(USERS), pick(STATUSES))],
    [
      2,
      () => {
        // More than the change log holds.
        for (let n = 0; n < 15; n++) server.users.change(pick(USERS), pick(STATUSES))
      },
    ],
    [
      12,
      () => {
        const userIds = Array.from({ length: 1 + Math.floor(random() * 5) }, () => pick(USERS))
        subscriptions.push({ userIds, end: client.subscribe(userIds) })
      },
    ],
    [8, () => subscriptions.splice(Math.floor(random() * subscriptions.length), 1)[0]?.end()],
    [4, () => toggle(toAll, client.watchAll)],
    [3, () => toggle(toCount, client.watchCount)],
    [3, () => client.setVisible(random() < 0.5)],
    [5, choice.choose],
    [3, choice.chooseElsewhere],
    [2, choice.repeatElsewhere],
    [6, () => forEachConnection(connection => connection.cut())],
    [3, () => forEachConnection(connection => connection.stall())],
    [
      4,
      () =>
        forEachConnection(connection =>
          connection.close(pick(CLOSE_CODES), random() < 0.5 ? 0 : random() * 3_000),
        ),
    ],
    [5, () => forEachConnection(connection => connection.feed.loseNextDiff())],
    [
      2,
      () => {
        server.restart()
        if (random() < 0.5) server.choices.forgetAll()
      },
    ],
    [2, () => network.emit('online')],
    [
      3,
      () => {
        server.conditions.maxDelayMs = pick([0, 20, 500, 3_000, 12_000])
        server.conditions.refused = pick([0, 0, 0.5, 1])
        server.conditions.unanswered = pick([0, 0, 0.3])
        server.conditions.tooFast = pick([0, 0.3])
      },
    ],
  ]
  const weights = steps.reduce((sum, [weight]) => sum + weight, 0)

  for (let n = 0; n < STEPS; n++) {
    let left = random() * weights
    for (const [weight, act] of steps) {
      if (left >= 0 && left < weight) act()
      left -= weight
    }
    await clock.run(pick([0, 0, 5, 30, 300, 300, 2_000, 20_000]))
    if (client.connectionStatus !== 'open' && client.users().some(user => user.freshness === 'live'))
      violations.push('a user is live without a connection')
  }

  Object.assign(server.conditions, { maxDelayMs: 20, refused: 0, unanswered: 0, tooFast: 0 })
  client.setVisible(true)
  // Messages that were sent before may still be in flight.
  await clock.run(30_000)
  // As an application does in the end: 4409 came again and again.
  if (client.connectionStatus === 'refused') {
    if (server.replaced < 2) violations.push('it was refused too soon')
    client.connect()
  }
  await clock.run(HEALING_MS)
  forEachConnection(connection => connection.feed.revealGap())
  await clock.run(5_000)

  if (client.connectionStatus !== 'open') violations.push(`the connection is ${client.connectionStatus}`)
  if (client.freshness !== 'live') violations.push('the client is stale')
  const expected = new Set(subscriptions.flatMap(({ userIds }) => userIds))
  for (const userId of expected) compare(client.get(userId), server.users.get(userId))
  if (toAll.length > 0) {
    for (const user of server.users.byId.values()) {
      if (user.status !== 'offline') compare(client.get(user.userId), user)
      else if ((client.get(user.userId)?.status ?? 'offline') !== 'offline')
        violations.push(`${user.userId} is offline but shown`)
    }
  } else {
    for (const { userId } of client.users())
      if (!expected.has(userId)) violations.push(`${userId} has no subscription`)
  }
  choice.compare()
  if (toCount.length > 0 && client.count !== server.users.onlineCount) violations.push('the count is wrong')
  const topics = new Set([...server.connections].flatMap(connection => [...connection.feed.topics]))
  if (topics.size !== expected.size || ![...topics].every(userId => expected.has(userId)))
    violations.push('the server has other subscriptions')
  if (server.connections.size !== 1) violations.push(`${server.connections.size} connections`)
  client.close()
  await clock.run(60_000)
  if (server.connections.size > 0) violations.push('a connection is open after close()')
  if (server.openSockets.size > 0) violations.push('a socket is open after close()')
  if (clock.pending > 0) violations.push(`${clock.pending} timers are running after close()`)
  return violations

  function compare(actual: PresenceUser | undefined, user: User): void {
    const isSame =
      actual?.status === user.status && actual.text === user.text && actual.lastSeen === user.lastSeen
    if (!isSame)
      violations.push(`${user.userId} is ${user.status} ${user.text}, not ${actual?.status} ${actual?.text}`)
    else if (actual.freshness !== 'live') violations.push(`${user.userId} is stale`)
  }
}

/** The version that the fake server wrote into the text of a user. */
function versionOf(user: User): number {
  return Number(user.text?.slice(1) ?? 0)
}
