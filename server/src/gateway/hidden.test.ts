import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ALL_RIGHTS, type Rights } from '../identity/grant.ts'
import { Requests } from '../requests.ts'
import { type Client, GRANT, World, type Written } from './testing/socketless.ts'

// Attacks on a hidden user. Two worlds differ in one thing: in one, eve hides and stays busy; in the other, she leaves
// at that moment. Attackers with every kind of rights do the same in both, and are told the same.

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const RIGHTS: Readonly<Record<string, Rights>> = {
  all: ALL_RIGHTS,
  named: { ...ALL_RIGHTS, watch: 'named' },
  eve: { ...ALL_RIGHTS, watch: new Set(['eve']) },
  bob: { ...ALL_RIGHTS, watch: new Set(['bob']) },
  nobody: { ...ALL_RIGHTS, watch: new Set() },
  observer: { ...ALL_RIGHTS, observer: true },
}

/** All that an attacker may ask. */
const QUESTIONS = [
  { type: 'get_online_count', id: 1 },
  { type: 'check_user_status', targetUserId: 'eve', id: 2 },
  { type: 'get_users', userIds: ['eve', 'never'], id: 3 },
  { type: 'get_all_users', id: 4 },
  { type: 'list_users', id: 5 },
  { type: 'list_users', status: 'offline', limit: 1, id: 6 },
  { type: 'list_users', status: 'online', id: 7 },
  { type: 'subscribe', userIds: ['eve'], id: 8 },
  { type: 'subscribe', all: true, id: 9 },
  { type: 'subscribe', count: true, id: 10 },
  { type: 'unsubscribe', all: true, id: 11 },
  { type: 'subscribe', userIds: ['eve'], since: { epoch: 'e1', seq: 1 }, id: 12 },
  { type: 'subscribe', all: true, since: { epoch: 'e1', seq: 1 }, id: 13 },
] as const

type Attackers = Readonly<Record<string, Client>>

/** One world in which eve is gone: hidden or not, as `goes` says. */
class Scene {
  readonly world = new World()
  readonly eve: Client
  readonly attackers: Attackers
  #newest = 0

  constructor() {
    const { world } = this
    for (const [name, rights] of Object.entries(RIGHTS)) {
      world.tokens.set(name, {
        state: 'known',
        grant: { ...GRANT, userId: 'attacker', rights: { ...rights, observer: false } },
      })
    }
    this.attackers = Object.fromEntries(
      Object.entries(RIGHTS).flatMap(([name, rights]) => [
        [`${name} v1`, this.#attacker(rights, 'v1')],
        [`${name} v2`, this.#attacker(rights, 'v2')],
      ]),
    )
    this.eve = world.connect({ userId: 'eve', username: 'Eve' }, { username: 'Eve', sessionId: 'eve' })
    world.pass(1_000)
  }

  /** What attackers were sent since the last call, by attacker; `atOnce` without what comes later. */
  async heard(atOnce = false): Promise<Record<string, Written[]>> {
    const heard: Record<string, Written[]> = {}
    for (const [name, attacker] of Object.entries(this.attackers)) {
      // Ids of connections are made for each world in the same order.
      heard[name] = await (atOnce ? attacker.takenAtOnce() : attacker.taken())
    }
    return heard
  }

  /** All attackers ask everything, with their own rights and then with those of other tokens. */
  async attack(tokens: readonly string[]): Promise<Record<string, Written[]>[]> {
    const all = Object.values(this.attackers)
    const heard: Record<string, Written[]>[] = []
    const ask = async (questions: readonly object[]) => {
      for (const attacker of all) attacker.send(...questions)
      // An answer that comes later in one of the worlds would tell the two apart, whatever it says.
      heard.push(await this.heard(true))
      this.world.pass(1_100)
      heard.push(await this.heard())
    }
    await ask(QUESTIONS)
    for (const token of tokens) await ask([{ type: 'refresh', token, id: 'r' }, ...QUESTIONS])
    // Newcomers are told the position of the newest change.
    for (const rights of Object.values(RIGHTS)) {
      const name = `newcomer ${this.#newest++}`
      const newcomer = this.#attacker(rights, 'v2', name)
      newcomer.send(...QUESTIONS)
      heard.push({ [name]: await newcomer.takenAtOnce() })
      this.world.pass(1_100)
      heard.push({ [name]: await newcomer.taken() })
      newcomer.connection.closed(1000)
    }
    return heard
  }

  #attacker(rights: Rights, version: 'v1' | 'v2', id?: string): Client {
    const more = id === undefined ? { version } : { version, sessionId: id, connectionId: id }
    return this.world.connect({ userId: 'attacker', rights }, more)
  }
}

/** What eve does while others must not notice. A user who has left does nothing. */
const SECRETS: Readonly<Record<string, (scene: Scene) => void>> = {
  'is silent': () => {},
  'chooses texts and ends': ({ eve, world }) => {
    const expiresAt = new Date(Date.UTC(2031, 0, 1)).toISOString()
    eve.send({ type: 'set_status', status: 'offline', text: 'secret', expiresAt })
    world.pass(100)
    eve.send({ type: 'set_status', status: 'offline' })
  },
  'is idle, active, and has another name': ({ eve, world }) => {
    for (const state of ['idle', 'active', 'idle']) eve.send({ type: 'set_activity', state })
    eve.send({ type: 'identify', username: 'Somebody else' })
    world.pass(100)
  },
  'opens and closes further connections': ({ world }) => {
    const other = world.connect({ userId: 'eve' }, { sessionId: 'other', connectionId: 'other' })
    other.send({ type: 'ping' })
    world.pass(100)
    other.connection.closed(1000)
    world.connect({ userId: 'eve' }, { sessionId: 'third', connectionId: 'third' })
  },
  'renews her token': ({ eve, world }) => {
    world.tokens.set('of-eve', { state: 'known', grant: { ...GRANT, userId: 'eve', username: 'E' } })
    eve.send({ type: 'refresh', token: 'of-eve' })
    world.pass(100)
  },
  'loses her connection, and comes back hidden': ({ eve, world }) => {
    eve.connection.closed(1006)
    world.connect({ userId: 'eve' }, { sessionId: 'eve', connectionId: 'back', isNamed: true })
  },
}

/** Orders of rights to which the attackers change with `refresh`. */
const TOKENS = [
  ['named', 'eve', 'all'],
  ['bob', 'all', 'named', 'eve'],
]

/** What the attackers are told in one world, step by step. `go` makes eve go; `secret` is what she does after that. */
async function play(
  go: (scene: Scene) => void,
  secret: (scene: Scene) => void,
  tokens: readonly string[],
): Promise<{ told: object[]; scene: Scene }> {
  // The same timers in each world: what is gathered depends on them.
  vi.useRealTimers()
  vi.useFakeTimers()
  const scene = new Scene()
  const told: object[] = await scene.attack([])
  go(scene)
  told.push(await scene.heard())
  const until = scene.world.at + 2_000
  secret(scene)
  scene.world.pass(until - scene.world.at)
  told.push(await scene.heard(), { seq: scene.world.feed.seq })
  told.push(...(await scene.attack(tokens)))
  expect(scene.world.errors).toEqual([])
  return { told, scene }
}

const leave = ({ eve }: Scene) => eve.connection.closed(1000)
const hide = ({ eve }: Scene) => eve.send({ type: 'set_status', status: 'offline' })
const nothing = () => {}

describe('[V13 D16] attackers with every kind of rights are told the same of a hidden user and of one who left', () => {
  test.each(Object.keys(SECRETS).flatMap(name => TOKENS.map(tokens => [name, tokens] as const)))(
    'she %s; tokens %j',
    async (name, tokens) => {
      const hides = await play(hide, SECRETS[name] ?? nothing, tokens)
      const leaves = await play(leave, nothing, tokens)
      expect(hides.told).toEqual(leaves.told)
      expect(hides.scene.world.presence.choice('eve').status).toBe('offline')
    },
  )

  test('negative control: a user who is not hidden is noticed, and so is one who never goes', async () => {
    const leaves = await play(leave, nothing, ['all'])
    const shows = await play(nothing, nothing, ['all'])
    expect(shows.told).not.toEqual(leaves.told)
    const returns = await play(hide, ({ eve }) => eve.send({ type: 'set_status', status: 'busy' }), ['all'])
    expect(returns.told).not.toEqual(leaves.told)
  })

  test('negative control: an answer about a hidden user that says the same, but comes later, is noticed', async () => {
    const leaves = await play(leave, nothing, ['all'])
    const { handle } = Requests.prototype
    const spy = vi.spyOn(Requests.prototype, 'handle').mockImplementation(function (
      this: Requests,
      asker,
      request,
    ) {
      const reply = handle.call(this, asker, request)
      const isLate =
        request.type === 'check_user_status' && hidden?.world.presence.choice('eve').status === 'offline'
      return isLate && reply.kind === 'message'
        ? { ...reply, kind: 'placed', placed: new Promise(resolve => setTimeout(resolve, 1)) }
        : reply
    })
    let hidden: Scene | undefined
    const hides = await play(
      scene => {
        hidden = scene
        hide(scene)
      },
      nothing,
      ['all'],
    )
    spy.mockRestore()
    expect(hides.told).not.toEqual(leaves.told)
    // Without the order and the time of the answer, nothing is noticed.
    const texts = (told: object[]) =>
      told
        .flatMap(each =>
          Object.values(each)
            .flat()
            .map(one => JSON.stringify({ ...one, timestamp: '' })),
        )
        .toSorted()
    expect(texts(hides.told)).toEqual(texts(leaves.told))
  })
})

test('[V13] the own connections of a hidden user are told the truth, and what others see of her', async () => {
  const { eve, world } = new Scene()
  eve.send({ type: 'set_status', status: 'offline', text: 'secret' })
  await eve.taken()
  eve.send({ type: 'get_users', userIds: ['eve'] })
  expect(await eve.taken()).toMatchObject([{ users: [{ userId: 'eve', status: 'offline' }] }])
  const other = world.connect({ userId: 'eve' }, { sessionId: 'other' })
  expect(await other.taken()).toMatchObject([
    { type: 'welcome' },
    { type: 'status_updated', status: 'offline', text: 'secret' },
  ])
})
