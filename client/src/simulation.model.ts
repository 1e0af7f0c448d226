import { seeded } from '@who-is-online/testing/random'
import type { PresenceClient } from './api.ts'
import type { MyStatus } from './choice.ts'
import type { Choice } from './choices.fake.ts'
import type { createClient } from './client.ts'
import { ManualClock } from './clock.fake.ts'
import { FakeEvents } from './events.fake.ts'
import { STATUSES, type User } from './protocol.ts'
import { isSame } from './same.ts'
import { FakeServer } from './server.fake.ts'
import type { PresenceUser } from './user-view.ts'

const USERS = Array.from({ length: 12 }, (_, n) => `u${n}`)
const CLOSES = [1000, 1006, 1012, 4409, 4429, 4500, 4503, 4508]
const STEPS = 50

/** Longer than the longest wait, a silence and an attempt together. */
const HEALING_MS = 150_000

/** What the user wants: the last choice, of this device or another one. */
interface Intent extends MyStatus {
  readonly isOwn: boolean
  /** Whether this device has heard of it. */
  isHeard: boolean
  /** Whether the server has answered. */
  isAnswered: boolean
  readonly at: number
  /** What this device knows where it has not heard of this one; undefined where nobody can tell. */
  readonly before?: Intent | undefined
  /** How often the server had forgotten something by then. */
  readonly forgets?: number
}

/** Plays one game of a client against a server in bad weather, and returns what is not as it should be. */
export async function play(create: typeof createClient, seed: number): Promise<string[]> {
  const random = seeded(seed)
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item
  const wrong: string[] = []
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
  const user = userOf(client, server, wrong, random)
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
    [30, () => server.users.change(pick(USERS), pick(STATUSES))],
    [
      2,
      () => {
        // More than the server remembers.
        for (let n = 0; n < 15; n++) server.users.change(pick(USERS), pick(STATUSES))
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
    [5, user.choose],
    [3, user.chooseElsewhere],
    [2, user.returnElsewhere],
    [6, () => each(connection => connection.cut())],
    [3, () => each(connection => connection.stall())],
    [4, () => each(connection => connection.close(pick(CLOSES), random() < 0.5 ? 0 : random() * 3_000))],
    [5, () => each(connection => connection.feed.loseNextDiff())],
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

  Object.assign(server.conditions, { maxDelayMs: 20, refused: 0, unanswered: 0, tooFast: 0 })
  client.setVisible(true)
  // What is on its way still may be what was said in bad weather.
  await clock.run(30_000)
  // What an application, or its user, does in the end: two tabs that took each other's place again and again.
  if (client.connectionStatus === 'suspended') {
    if (server.replaced < 2) wrong.push('it gave up too soon')
    client.connect()
  }
  await clock.run(HEALING_MS)
  each(connection => connection.feed.revealGap())
  await clock.run(5_000)

  if (client.connectionStatus !== 'open') wrong.push(`the connection is ${client.connectionStatus}`)
  if (client.freshness !== 'live') wrong.push('the client is stale')
  const wanted = new Set(followed.flatMap(({ userIds }) => userIds))
  for (const userId of wanted) compare(client.get(userId), server.users.get(userId))
  if (everybody.length > 0) {
    for (const user of server.users.byId.values()) {
      if (user.status !== 'offline') compare(client.get(user.userId), user)
      else if ((client.get(user.userId)?.status ?? 'offline') !== 'offline')
        wrong.push(`${user.userId} is a ghost`)
    }
  } else {
    for (const { userId } of client.users()) if (!wanted.has(userId)) wrong.push(`${userId} is not followed`)
  }
  user.compare()
  if (counting.length > 0 && client.count !== server.users.onlineCount) wrong.push('the count is wrong')
  const topics = new Set([...server.connections].flatMap(connection => [...connection.feed.topics]))
  if (topics.size !== wanted.size || ![...topics].every(userId => wanted.has(userId)))
    wrong.push('the server has other subscriptions')
  if (server.connections.size !== 1) wrong.push(`${server.connections.size} connections`)
  client.close()
  await clock.run(60_000)
  if (server.connections.size > 0) wrong.push('a connection outlived the client')
  if (server.openSockets.size > 0) wrong.push('a socket was left open')
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

/** The user of the client, who chooses here and on another device; notes what goes wrong about that. */
function userOf(client: PresenceClient, server: FakeServer, wrong: string[], random: () => number) {
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item
  let intent: Intent | undefined
  /** The last one of this device. */
  let last: Intent | undefined
  /** When the client said a text again. */
  let textAt = 0
  /** The last hiding that the server had not answered before the next choice. */
  let hid: Intent | undefined
  let texts = 0
  let wasOpen = false
  /** The choice of the other device, which it says again when it comes back. */
  let other: Choice | undefined
  const now = (): number => server.clock.now()
  const isOver = ({ expiresAt }: MyStatus): boolean => Date.parse(expiresAt ?? '') <= now()
  const hides = (): boolean => !!intent?.isOwn && intent.status === 'offline' && !isOver(intent)

  function some(): MyStatus {
    const status = pick(STATUSES)
    const text = random() < 0.6 ? `text ${++texts}` : undefined
    const endsIn = pick([undefined, undefined, 3_000, 30_000])
    return { status, text, expiresAt: endsIn ? new Date(now() + endsIn).toISOString() : undefined }
  }

  /** Whether the server may know this, where a user wants that. */
  function fits(wanted: Intent, known: MyStatus): boolean {
    if (isOver(wanted) || isSame(plain(wanted), known)) return true
    // No reminder tells a plain `online` from one of another device: its text is not said again.
    const isPlain = isSame(plain({ status: 'online' }), known)
    if (isPlain && isSame({ ...plain(wanted), text: undefined }, known)) return true
    // It has the server's time from a welcome that took up to 12 s: a hiding on another device counts as the later one.
    const isClose = other?.status === 'offline' && wanted.at - other.at < 12_000
    // A hiding that was said with an attempt that is given up may reach the server late, and counts as made then.
    const late = isClose ? other : hid
    if (wanted.isOwn) return !!late && (isOver(late) || isSame(plain({ ...late, text: known.text }), known))
    const { before, forgets = 0 } = wanted
    // The text that goes with the choice in the URL was on its way already.
    if (Math.abs(wanted.at - textAt) < 12_000) return true
    return !wanted.isHeard && forgets < server.choices.forgotten && (!before || fits(before, known))
  }

  server.onRequest = said => {
    if (said.type === 'set_status' && said.status !== 'offline' && hides())
      wrong.push('it showed a user who hid')
    if (said.type === 'set_status' && last?.isAnswered) textAt = now()
  }
  client.onMyStatus(status => {
    if (intent && isSame(plain(intent), plain(status))) intent.isHeard = true
  })
  client.onConnectionChange(state => {
    if (state === 'connecting') server.urls.length = 0
    if (state !== 'open') return
    const query = new URL(server.urls.at(-1) ?? 'ws://none').searchParams
    const [status, expiresAt, chosenAt] = ['status', 'expiresAt', 'chosenAt'].map(name => query.get(name))
    if (hides() && status !== 'offline') wrong.push('a user who hid was shown')
    if (status && !chosenAt && intent?.isOwn && intent.isAnswered)
      wrong.push('an old choice was said as a new one')
    // The client has the server's time from a welcome that took up to 12 s, and an attempt takes up to 10 s.
    if (wasOpen && expiresAt && Date.parse(expiresAt) < now() - 23_000)
      wrong.push('a choice was said that is over')
    wasOpen = true
  })

  return {
    choose(): void {
      const choice = some()
      const own: Intent = { ...choice, isOwn: true, isHeard: true, isAnswered: false, at: now() }
      intent = own
      if (last?.status === 'offline' && !last.isAnswered) hid = last
      last = own
      client.setStatus(choice.status, choice).then(
        () => {
          own.isAnswered = true
        },
        error => {
          // It may have been done.
          if (error.code !== 'timeout' && intent === own) intent = undefined
        },
      )
    },
    chooseElsewhere(): void {
      const choice = some()
      const isSure = last?.isAnswered ?? true
      server.choices.choose('me', choice)
      other = server.choices.get('me')
      // A choice of this device that is on its way may come after it.
      const before = intent
      intent = isSure
        ? {
            ...choice,
            isOwn: false,
            isHeard: false,
            isAnswered: true,
            at: now(),
            before,
            forgets: server.choices.forgotten,
          }
        : undefined
    },
    returnElsewhere(): void {
      if (other && !isOver(other)) server.choices.choose('me', other, other.at)
    },
    compare(): void {
      const known = plain(server.choices.get('me') ?? { status: 'online' })
      if (!isSame(plain(client.myStatus), known))
        wrong.push(`the choice is ${JSON.stringify(known)}, not ${JSON.stringify(client.myStatus)}`)
      if (!intent || fits(intent, known)) return
      wrong.push(`the user chose ${JSON.stringify(plain(intent))}, not ${JSON.stringify(known)}`)
    },
  }
}

function plain({ status, text, expiresAt }: MyStatus): MyStatus {
  return { status, text, expiresAt }
}

function versionOf(user: User): number {
  return Number(user.text?.slice(1) ?? 0)
}
