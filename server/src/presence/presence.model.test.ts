import { STATUSES, type UserId } from '@who-is-online/protocol/words'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Change } from './change.ts'
import type { PresenceOptions } from './options.ts'
import { Presence } from './presence.ts'
import { games, HAS_FEW_GAMES } from './testing/games.ts'
import { OneNode } from './testing/one-node.ts'
import { firstChoiceOf, game, play, type Step, USERS } from './testing/presence.game.ts'
import type { SeenUser } from './view.ts'

// A failing test prints its seed and its shortest game: `fc.assert(..., { seed, path })` plays that game
// again. The seed is fixed here (scripts/seed.ts). presence.model.faults.test.ts plays new games each time.

test('[R1 R2 R3 R4 R5 R6 R7 R8 R9 R10 I2 I5 I6 I9] the core agrees with the model in random games', () => {
  fc.assert(
    fc.property(game, game => play(Presence, game)),
    games(2_500),
  )
}, 60_000) // 4 s on a free core; shrinking a failure takes longer than the usual limit

test.each(['leave', 'endSessions'] as const)(
  '[R6 R9 R11] the core agrees with the model about a forgotten user whose return is delayed over a set-back (%s)',
  end => {
    // A random game found this.
    const open = (userId: string) =>
      ({ do: 'open', userId, id: 's1', named: false, username: undefined }) as const
    const steps: readonly Step[] = [
      open('ann'),
      { do: end, userId: 'ann', id: 's1' },
      { do: 'advanceToDue', off: 0, limit: 1 },
      open('bob'),
      open('ann'),
      { do: 'restart', ms: -180_000_000 },
    ]
    play(Presence, {
      options: {
        graceMs: 0,
        restartGraceMs: 0,
        inactiveGraceMs: 0,
        noticedMs: 1,
        hiddenKeepMs: 1,
        changePace: { burst: 1, everyMs: 10 },
        maxKnown: 1,
        keepMs: 5,
      },
      steps,
    })
  },
)

test("[R4 R13 R14] others can't tell a user who hides from a user who has left", () => {
  let hidden = 0
  let withDetails = 0
  const hidings = fc.record({ text: fc.constantFrom(undefined, 'psst'), isForLong: fc.boolean() })
  const positions = fc.nat({ max: 30 })
  // What the hidden user did just before. Random games alone have few users who hide while they have a text
  // or are away.
  const lastActs = fc.array(
    fc.constantFrom<Readonly<Record<string, unknown>>>(
      { do: 'open', id: 's1', named: false, username: 'Ann' },
      { do: 'open', id: 's2', named: true, username: undefined },
      { do: 'setActivity', id: 's1', isIdle: true },
      { do: 'setActivity', id: 's2', isIdle: true },
      { do: 'setStatus', status: 'busy', text: 'at lunch', forMs: 15 },
      { do: 'lose', id: 's1' },
      { do: 'lose', id: 's2' },
    ),
  )
  fc.assert(
    fc.property(
      game,
      positions,
      lastActs,
      fc.constantFrom(...USERS),
      hidings,
      (game, position, acts, hider, hiding) => {
        const { options } = game
        // The id `s2` is always named and `s1` never, so the test knows which session a new one replaces.
        const steps = game.steps.map(step =>
          step.do === 'open' ? { ...step, named: step.id === 's2' } : step,
        )
        // Without a rate limit, which may delay a leave but never a hiding. Nobody is forgotten, because the
        // user who hides is present in one of the two worlds only.
        const unpaced = { ...options, changePace: { burst: 1, everyMs: 0 }, maxKnown: 100, keepMs: 1e9 }
        const hides = new World(unpaced)
        const leaves = new World(unpaced)
        const before = [...steps.slice(0, position), ...acts.map(act => ({ ...act, userId: hider }) as Step)]
        for (const step of before) {
          hides.take(step)
          leaves.take(step)
        }
        if (!hides.isHere(hider)) return
        hidden++
        const { status, text } = hides.presence.see(hider)
        if (status === 'away' || text !== undefined) withDetails++
        // Both acts prove that the user is present.
        for (const world of [hides, leaves]) world.take({ do: 'heard', userId: hider, ago: 0 })
        const forMs = hiding.isForLong ? 1e9 : undefined
        hides.take({ do: 'setStatus', userId: hider, status: 'offline', text: hiding.text, forMs })
        leaves.leaveAll(hider)
        // Tabs are closed one after the other, and the last one may be idle. So only the final change is
        // compared.
        expect(hides.answers(lastChangeOf)).toEqual(leaves.answers(lastChangeOf))
        for (const step of steps.slice(position)) {
          if ('userId' in step && step.userId === hider) {
            // The other world ignores the steps of this user. Steps that would end the hiding are left out: a
            // visible choice, and a return after the hiding is no longer kept. Hiding with an end is kept
            // until that end.
            leaves.take(NOTHING)
            if (step.do === 'setStatus' && (hiding.isForLong || !isHiding(step))) continue
            const isArrival = step.do === 'open' || step.do === 'lease'
            if (isArrival && !hiding.isForLong && !hides.isHidden(hider)) continue
          } else leaves.take(step)
          // A choice at the arrival could end the hiding, so it is left out too.
          const isOwnArrival = step.do === 'open' && step.userId === hider
          hides.take(isOwnArrival ? { ...step, choice: undefined } : step)
          expect(hides.answers()).toEqual(leaves.answers())
        }
      },
    ),
    games(1_000),
  )
  if (HAS_FEW_GAMES) return
  expect(hidden).toBeGreaterThan(400)
  expect(withDetails).toBeGreaterThan(200)
})

test('[R6 R14] a user who changes often is shown at most at the rate limit, and the last state within two intervals', () => {
  const acts = {
    open: { do: 'open', userId: 'ann', id: 's', named: true, username: undefined },
    leave: { do: 'leave', userId: 'ann', id: 's' },
    hide: { do: 'setStatus', userId: 'ann', status: 'offline' },
    show: { do: 'setStatus', userId: 'ann', status: 'online' },
    lunch: { do: 'setStatus', userId: 'ann', status: 'busy', text: 'at lunch', forMs: 20 },
    idle: { do: 'setActivity', userId: 'ann', id: 's', isIdle: true },
    name: { do: 'identify', userId: 'ann', username: 'Ann' },
    rename: { do: 'identify', userId: 'ann', username: 'Anna' },
  } as const
  const flap = fc.record({
    ms: fc.nat({ max: 9 }),
    act: fc.constantFrom(...(Object.keys(acts) as (keyof typeof acts)[])),
  })
  const paces = fc.record({
    burst: fc.integer({ min: 1, max: 10 }),
    everyMs: fc.integer({ min: 1, max: 30 }),
  })
  fc.assert(
    fc.property(paces, fc.array(flap, { size: 'max', maxLength: 100 }), (changePace, flaps) => {
      const world = new World({ ...OPTIONS, changePace })
      const times: number[] = []
      for (const { ms, act } of flaps) {
        const changes = [...world.take({ do: 'advance', ms, limit: 1 }), ...world.take(acts[act])]
        for (const { at } of changes) times.push(at)
        // Hiding is never delayed, so it may exceed the rate limit: by at most this one change.
        const tooMany = times.filter((since, index) => {
          const allowed = changePace.burst + Math.floor((world.now - since) / changePace.everyMs) + 1
          return times.length - index > allowed
        })
        if (tooMany.length > 0) expect(tooMany).toEqual([])
      }
      // The end of a choice is a change too. So let it happen, and then wait for two intervals.
      world.take({ do: 'advance', ms: 20, limit: 10 })
      world.take({ do: 'advance', ms: 2 * changePace.everyMs, limit: 10 })
      const record = world.presence.record('ann')
      const isHere = record?.session === 'live'
      const due = isHere ? (record.status === 'online' && record.idle ? 'away' : record.status) : 'offline'
      expect(world.presence.see('ann')).toMatchObject({ status: due, text: undefined })
      if (due !== 'offline') expect(record?.newUsername).toBeUndefined()
      // The choice of an offline user is kept for `hiddenKeepMs`. After that there is no deadline.
      world.take({ do: 'advance', ms: OPTIONS.hiddenKeepMs, limit: 10 })
      expect(world.presence.nextDeadline).toBe(Number.POSITIVE_INFINITY)
    }),
    games(300),
  )
})

const NOTHING: Step = { do: 'wait', ms: 0 }

const isHiding = ({ status, forMs }: Step & { do: 'setStatus' }) =>
  status === 'offline' && forMs === undefined

/** The last change, without its cause. */
const lastChangeOf = (changes: readonly Change[]) =>
  changes.slice(-1).map(({ userId, status, at }) => ({ userId, status, at }))

const OPTIONS: PresenceOptions = {
  graceMs: 5,
  restartGraceMs: 15,
  inactiveGraceMs: 20,
  noticedMs: 5,
  hiddenKeepMs: 40,
  changePace: { burst: 10, everyMs: 3 },
  maxKnown: 100,
  keepMs: 1_000,
}

function sorted(users: readonly SeenUser[]): readonly SeenUser[] {
  return users.toSorted((a, b) => (a.userId < b.userId ? -1 : 1))
}

/** A presence with its own clock. It takes the steps of a game. */
class World {
  readonly #options: PresenceOptions
  #changes: readonly Change[] = []
  presence: OneNode
  now = Date.UTC(2030, 0, 1)
  #latestTime = this.now

  constructor(options: PresenceOptions) {
    this.#options = options
    this.presence = new OneNode(options)
  }

  isHere(userId: UserId): boolean {
    return (this.presence.record(userId)?.session ?? 'none') !== 'none'
  }

  /** Whether a user is present, or will be hidden on returning now. */
  isHidden(userId: UserId): boolean {
    return this.isHere(userId) || this.presence.record(userId)?.keptHidden === true
  }

  /** Everything that others can learn about the users after a step. */
  answers(select: (changes: readonly Change[]) => unknown = changes => changes): object {
    const { presence } = this
    // This only tells the core the time.
    presence.heard('nobody', this.now)
    return {
      changes: select(this.#changes),
      seen: USERS.map(userId => presence.see(userId)),
      // The order has no meaning: new users get the places of forgotten users.
      listed: sorted([...presence.list(100)]),
      paged: sorted(presence.page(undefined, 100).users),
      pages: STATUSES.map(status => sorted(presence.page(undefined, 100, status).users)),
      online: presence.onlineCount,
    }
  }

  /** Ends every session. A lost session is replaced by a new one, which then leaves. */
  leaveAll(userId: UserId): void {
    const changes = []
    while (this.isHere(userId)) {
      for (const id of ['s1', 'l1', 'l2']) changes.push(...this.take({ do: 'endSession', userId, id }))
      for (const id of ['s1', 's2']) changes.push(...this.take({ do: 'leave', userId, id }))
      if (this.presence.record(userId)?.session !== 'held') continue
      // This session replaces the one with its name, or else the unnamed one. One of the two is held.
      changes.push(...this.take({ do: 'open', userId, id: 's2', named: true, username: undefined }))
    }
    this.#changes = changes
  }

  take(step: Step): readonly Change[] {
    this.#changes = this.#do(step)
    this.#latestTime = this.now
    return this.#changes
  }

  #do(step: Step): readonly Change[] {
    const { presence } = this
    switch (step.do) {
      case 'open': {
        const { userId, id, named, username } = step
        const choice = firstChoiceOf(step.choice, this.now)
        return presence.open(userId, { id, named }, this.now, { username, choice }).changes
      }
      case 'lease': {
        const { userId, id, ttlMs, activity, username } = step
        const outcome = presence.lease(userId, id, { ttlMs, activity, username }, this.now)
        return typeof outcome === 'string' ? [] : outcome.changes
      }
      case 'leave':
      case 'lose':
      case 'endSession':
        return presence[step.do](step.userId, step.id, this.now).changes
      case 'endSessions':
        return presence.endSessions(step.userId, this.now).changes
      case 'heard':
        presence.heard(step.userId, this.now - step.ago)
        return []
      case 'setStatus':
        return this.#choose(step)
      case 'setActivity':
        return presence.setActivity(step.userId, step.id, step.isIdle ? 'idle' : 'active', this.now).changes
      case 'setVisibility': {
        const { userId, id, isInactive } = step
        return presence.setVisibility(userId, id, isInactive ? 'inactive' : 'active', this.now).changes
      }
      case 'identify':
        return presence.identify(step.userId, step.username, this.now).changes
      case 'wait':
        this.now += step.ms
        return []
      case 'waitToDue':
        this.now += step.off + 5
        return []
      case 'advance':
        return this.#advance(step.ms)
      case 'advanceToDue':
        // The two worlds have different deadlines.
        return this.#advance(step.off + 5)
      case 'suspended':
        this.now += step.ms
        presence.suspended(step.ms, this.now)
        return []
      case 'jumped':
        this.now += step.ms
        return presence.jumped(step.ms, this.now).changes
      case 'restart': {
        const times = { knownTime: presence.knownTime(this.now), latestTime: this.#latestTime }
        this.now += step.ms
        this.presence = new OneNode(this.#options)
        this.presence.restore(presence.records(), this.now, times)
        return []
      }
      case 'forgetStale':
        return presence.forgetStale(this.now, step.count).changes
    }
  }

  #choose({ userId, status, text, forMs }: Step & { do: 'setStatus' }): readonly Change[] {
    const expiresAt = forMs === undefined ? undefined : this.now + forMs
    return this.presence.setStatus(userId, { status, text, expiresAt }, this.now).changes
  }

  #advance(ms: number): readonly Change[] {
    this.now += ms
    const { changes } = this.presence.advance(this.now, 1_000)
    // Users with the same deadline come in no particular order.
    return changes.toSorted((a, b) => (a.userId < b.userId ? -1 : 1))
  }
}
