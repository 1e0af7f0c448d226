import { seeded } from '@who-is-online/testing/random'
import type { createClient } from './client.ts'
import { FakeServer } from './fake-server.contract.ts'
import { ManualClock } from './manual-clock.contract.ts'
import type { PresenceUser } from './roster.ts'
import type { Status, User } from './wire.ts'

const USERS = Array.from({ length: 12 }, (_, n) => `u${n}`)
const STATUSES: readonly Status[] = ['online', 'away', 'busy', 'offline']
const CLOSES = [1000, 1006, 1012, 4409, 4429, 4500, 4503, 4508]
const STEPS = 50

/** Longer than the longest wait, a silence and an attempt together. */
const HEALING_MS = 150_000

/** Plays one game of a client against a server in bad weather, and returns what is not as it should be. */
export async function play(create: typeof createClient, seed: number): Promise<string[]> {
  const random = seeded(seed)
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item
  const wrong: string[] = []
  const clock = new ManualClock()
  const server = new FakeServer(clock, random)
  const network = new Events()
  for (const userId of USERS.slice(0, 8)) server.change(userId, pick(STATUSES))
  const client = create({
    url: 'ws://fake/ws',
    userId: 'me',
    WebSocket: server.WebSocket,
    platform: { ...clock, random, network, document: undefined, storage: undefined, locks: undefined },
  })
  const versions = new Map<string, number>()
  client.onChange(changed => {
    for (const user of changed) {
      const version = versionOf(user)
      if (user.text === undefined) continue
      if (version < (versions.get(user.userId) ?? 0)) wrong.push(`${user.userId} went back to v${version}`)
      versions.set(user.userId, version)
    }
  })
  const followed: { readonly userIds: string[]; readonly end: () => void }[] = []
  const everybody: (() => void)[] = []
  const counting: (() => void)[] = []
  const toggle = (ends: (() => void)[], begin: () => () => void): void => {
    if (ends.length > 0) ends.pop()?.()
    else ends.push(begin())
  }

  const steps: readonly (readonly [weight: number, step: () => void])[] = [
    [30, () => server.change(pick(USERS), pick(STATUSES))],
    [
      2,
      () => {
        // More than the server remembers.
        for (let n = 0; n < 15; n++) server.change(pick(USERS), pick(STATUSES))
      },
    ],
    [
      12,
      () => {
        const userIds = Array.from({ length: 1 + Math.floor(random() * 5) }, () => pick(USERS))
        followed.push({ userIds, end: client.subscribe(userIds) })
      },
    ],
    [8, () => followed.splice(Math.floor(random() * followed.length), 1)[0]?.end()],
    [4, () => toggle(everybody, client.watchAll)],
    [3, () => toggle(counting, client.watchCount)],
    [3, () => client.setVisible(random() < 0.5)],
    [2, () => void client.setStatus(pick(STATUSES)).catch(() => {})],
    [6, () => each(connection => connection.cut())],
    [3, () => each(connection => connection.stall())],
    [4, () => each(connection => connection.end(pick(CLOSES), random() < 0.5 ? 0 : random() * 3_000))],
    [5, () => each(connection => connection.loseDiff())],
    [2, () => server.restart()],
    [2, () => network.tell('online')],
    [
      3,
      () => {
        server.weather.delayMs = pick([0, 20, 500, 3_000, 12_000])
        server.weather.refused = pick([0, 0, 0.5, 1])
        server.weather.vanished = pick([0, 0, 0.3])
        server.weather.tooFast = pick([0, 0.3])
      },
    ],
  ]
  function each(act: (connection: typeof server.connections extends Set<infer C> ? C : never) => void): void {
    for (const connection of [...server.connections]) act(connection)
  }
  const weights = steps.reduce((sum, [weight]) => sum + weight, 0)

  for (let n = 0; n < STEPS; n++) {
    let left = random() * weights
    for (const [weight, act] of steps) {
      if (left >= 0 && left < weight) act()
      left -= weight
    }
    await clock.run(pick([0, 0, 5, 30, 300, 300, 2_000, 20_000]))
    if (client.connectionStatus !== 'open' && client.users().some(user => user.freshness === 'live'))
      wrong.push('a user is live without a connection')
  }

  Object.assign(server.weather, { delayMs: 20, refused: 0, vanished: 0, tooFast: 0 })
  client.setVisible(true)
  // What is on its way still may be what was said in bad weather.
  await clock.run(30_000)
  // What an application, or its user, does in the end: two tabs that took each other's place again and again.
  if (client.connectionStatus === 'suspended') {
    if (server.replaced < 2) wrong.push('it gave up too soon')
    client.connect()
  }
  await clock.run(HEALING_MS)
  each(connection => connection.showHole())
  await clock.run(5_000)

  if (client.connectionStatus !== 'open') wrong.push(`the connection is ${client.connectionStatus}`)
  if (client.freshness !== 'live') wrong.push('the client is stale')
  const wanted = new Set(followed.flatMap(({ userIds }) => userIds))
  for (const userId of wanted) compare(client.get(userId), server.see(userId))
  if (everybody.length > 0) {
    for (const user of server.users.values()) {
      if (user.status !== 'offline') compare(client.get(user.userId), user)
      else if ((client.get(user.userId)?.status ?? 'offline') !== 'offline')
        wrong.push(`${user.userId} is a ghost`)
    }
  } else {
    for (const { userId } of client.users()) if (!wanted.has(userId)) wrong.push(`${userId} is not followed`)
  }
  if (counting.length > 0 && client.count !== server.onlineCount) wrong.push('the count is wrong')
  const topics = new Set([...server.connections].flatMap(connection => [...connection.topics]))
  if (topics.size !== wanted.size || ![...topics].every(userId => wanted.has(userId)))
    wrong.push('the server has other subscriptions')
  if (server.connections.size !== 1) wrong.push(`${server.connections.size} connections`)
  client.close()
  await clock.run(60_000)
  if (server.connections.size > 0) wrong.push('a connection outlived the client')
  if (server.held.size > 0) wrong.push('a socket was left open')
  if (clock.pending > 0) wrong.push(`${clock.pending} timers outlived the client`)
  return wrong

  function compare(mine: PresenceUser | undefined, theirs: User): void {
    const same =
      mine?.status === theirs.status && mine.text === theirs.text && mine.lastSeen === theirs.lastSeen
    if (!same)
      wrong.push(`${theirs.userId} is ${theirs.status} ${theirs.text}, not ${mine?.status} ${mine?.text}`)
    else if (mine.freshness !== 'live') wrong.push(`${theirs.userId} is stale`)
  }
}

function versionOf(user: User): number {
  return Number(user.text?.slice(1) ?? 0)
}

/** Something that tells of events when a test says so. */
export class Events {
  readonly #listeners = new Map<string, Set<() => void>>()

  addEventListener(type: string, listener: () => void): void {
    this.#listeners.set(type, (this.#listeners.get(type) ?? new Set()).add(listener))
  }

  removeEventListener(type: string, listener: () => void): void {
    this.#listeners.get(type)?.delete(listener)
  }

  tell(type: string): void {
    for (const listener of this.#listeners.get(type) ?? []) listener()
  }

  get size(): number {
    return [...this.#listeners.values()].reduce((sum, each) => sum + each.size, 0)
  }
}
