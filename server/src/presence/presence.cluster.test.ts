import { beforeEach, describe, expect, test } from 'vitest'
import type { Choice } from './choice.ts'
import type { SessionsElsewhere } from './elsewhere.ts'
import { NO_LEASES_ELSEWHERE } from './elsewhere.ts'
import type { Fact } from './fact.ts'
import type { LeasesElsewhere } from './lease.ts'
import { Presence } from './presence.ts'
import type { KnownChoice } from './present-user.ts'
import { AT_ONCE, DEFAULTS } from './testing/options.ts'
import { fact, HOUR, named, T } from './testing/scenario.ts'
import type { SessionInfo, UserPart } from './user-part.ts'

// What presence does in a cluster: it decides for its own users, and shows what all nodes agree on.

const ONLINE = { status: 'online' } as const
const BUSY = { status: 'busy' } as const
const HIDDEN = { status: 'offline' } as const

let presence: Presence
/** The choices and signs of life that other nodes know. */
let choices: Map<string, KnownChoice>
let signs: Map<string, number>
let present: Set<string>
let others: Map<string, SessionsElsewhere>
/** What they say about a session id. */
let leases: Map<string, LeasesElsewhere>

beforeEach(() => {
  choices = new Map()
  signs = new Map()
  present = new Set()
  others = new Map()
  leases = new Map()
  presence = newPresence()
})

function newPresence(options = AT_ONCE): Presence {
  const made = new Presence(options, {
    choiceOf: id => choices.get(id),
    signOfLife: id => signs.get(id),
    isPresent: id => present.has(id),
    sessionsOf: id => others.get(id),
    leasesOf: (_, id) => leases.get(id) ?? NO_LEASES_ELSEWHERE,
  })
  made.restore([], T)
  return made
}

const open = (userId: string, now = T) => presence.open(userId, named('s'), now)

const learn = (shown: Choice, chosen?: KnownChoice, now = T) =>
  presence.learnChoice('ann', shown, chosen, now)

test('a fact is pending until the log has it, whatever others see meanwhile', () => {
  const { facts } = open('ann')
  presence.apply([fact('ann', { lastSeen: T + 5 })], [])
  expect(presence.see('ann').status).toBe('online')
  // What the node has said itself counts, until the log has it.
  const { facts: left } = presence.leave('ann', 's', T)
  expect(presence.present('ann').lastSeen).toBe(T)
  presence.apply([fact('ann', { sessions: 'none', lastSeen: T + 9, username: 'Ann' })], [...facts, ...left])
  expect(presence.present('ann')).toMatchObject({ lastSeen: T + 9, username: 'Ann', isHere: false })
})

test('a user whom others see because of another node is known once', () => {
  presence.open('ann', named('s'), T, { choice: HIDDEN })
  expect([presence.knownCount, presence.record('ann')?.unseen]).toEqual([1, true])
  presence.apply([fact('ann')], [])
  expect([presence.knownCount, presence.record('ann')?.unseen]).toEqual([1, undefined])
  presence.applyArchived([{ userId: 'bob', lastSeen: T - 7, username: 'Bob' }])
  expect(presence.see('bob')).toMatchObject({ status: 'offline', lastSeen: T - 7, username: 'Bob' })
  presence.open('eve', named('s'), T, { choice: HIDDEN })
  presence.applyArchived([{ userId: 'eve', lastSeen: T - 9, username: undefined }])
  expect([presence.knownCount, presence.record('eve')?.unseen]).toEqual([3, undefined])
})

test('[R9] a user whom the nodes have forgotten is unknown, or was never seen if the user is here', () => {
  presence.applyArchived([
    { userId: 'ann', lastSeen: T, username: 'Ann' },
    { userId: 'bob', lastSeen: T, username: 'Bob' },
  ])
  presence.open('bob', named('s'), T, { choice: HIDDEN })
  presence.applyForgotten(['ann', 'bob', 'eve'])
  expect(['ann', 'bob'].map(userId => presence.see(userId).lastSeen)).toEqual([null, null])
  expect([presence.record('ann'), presence.record('bob')?.unseen]).toEqual([undefined, true])
  expect(presence.knownCount).toBe(1)
})

test('a user who is visible on another node is not forgotten', () => {
  presence = newPresence({ ...DEFAULTS, keepMs: 5, maxKnown: 1 })
  // This node keeps the time of the choice of a user who has left.
  presence.apply(presence.open('ann', named('s'), T).facts)
  presence.apply(presence.setStatus('ann', BUSY, T).facts)
  presence.apply(presence.leave('ann', 's', T).facts)
  presence.apply([fact('ann')], [])
  expect(presence.forgetStale(T + HOUR, 10).forgotten).toEqual([])
  expect(presence.open('bob', named('s'), T + HOUR).forgotten).toEqual([])
})

test('[R2] the last sign of life of a visible user is the latest of all nodes', () => {
  presence.apply(open('ann').facts)
  presence.apply([fact('bob')], [])
  signs.set('ann', T - 5).set('bob', T + 5)
  presence.heard('nobody', T + 10)
  expect([presence.see('ann').lastSeen, presence.see('bob').lastSeen]).toEqual([T, T + 5])
  signs.set('ann', T + 7)
  expect(presence.see('ann').lastSeen).toBe(T + 7)
})

test('a user arrives with the choice that the cluster knows, and it ends here too', () => {
  choices.set('ann', { choice: { ...BUSY, expiresAt: T + 9 }, madeAt: T - 4 })
  expect(open('ann').facts).toMatchObject([{ choice: BUSY }])
  expect([presence.choice('ann').status, presence.chosenAt('ann')]).toEqual(['busy', T - 4])
  expect(presence.nextDeadline).toBe(T + 9)
  expect(presence.advance(T + 9, 10).facts).toMatchObject([{ choice: ONLINE, cause: 'expired' }])
  choices.set('bob', { choice: HIDDEN, madeAt: T - 4 })
  expect(open('bob').facts).toEqual([])
  choices.set('eve', { choice: { ...BUSY, expiresAt: T }, madeAt: T - 4 })
  expect(open('eve').facts).toMatchObject([{ choice: ONLINE }])
})

test('a choice that was made on another node counts here, and the connections here are told', () => {
  presence.apply(open('ann').facts)
  const { facts, choices } = learn(BUSY, { choice: BUSY, madeAt: T + 1 }, T + 2)
  expect([facts, choices]).toEqual([[], [{ userId: 'ann', choice: BUSY, madeAt: T + 1 }]])
  expect(presence.present('ann').said.choice).toEqual(BUSY)
  expect(learn(BUSY, { choice: BUSY, madeAt: T + 1 }, T + 3)).toMatchObject({
    facts: [],
    records: [],
    choices: [],
  })
  expect(presence.learnChoice('bob', BUSY, undefined, T)).toMatchObject({ records: [] })
})

test('a newer choice that was made here stays, and is said again', () => {
  presence.apply(open('ann').facts)
  presence.apply(presence.setStatus('ann', HIDDEN, T + 5).facts)
  const { facts, choices } = learn(BUSY, { choice: BUSY, madeAt: T + 4 }, T + 6)
  expect(facts).toMatchObject([{ choice: HIDDEN, cause: 'left' }])
  expect([choices, presence.choice('ann')]).toEqual([[], HIDDEN])
})

test('[R17] a choice that ended elsewhere because the user left still holds if the client has repeated it here', () => {
  presence.apply(presence.open('ann', named('s'), T, { choice: { ...BUSY, madeAt: T - 9 } }).facts)
  const { facts, records, choices } = learn(ONLINE, { choice: ONLINE, madeAt: T - 9 })
  expect([facts, choices]).toMatchObject([[{ choice: BUSY }], []])
  expect(records).toMatchObject([{ status: 'busy', chosenAt: T - 9 }])
  expect(learn(BUSY, { choice: ONLINE, madeAt: T - 9 }).records).toHaveLength(1)
  expect(presence.choice('ann').status).toBe('busy')
  learn(BUSY, { choice: ONLINE, madeAt: T - 8 })
  expect(presence.choice('ann').status).toBe('online')
})

test('[R4] a user who is hidden here is said to be hidden again if another node has ended that', () => {
  presence.apply(open('ann').facts)
  presence.apply(presence.setStatus('ann', HIDDEN, T + 5).facts)
  // A leave ended the choice on a node that took this one for lost. Others still see the user as hidden.
  const { facts, records, choices } = learn(HIDDEN, { choice: ONLINE, madeAt: 0 }, T + 6)
  expect([facts, choices]).toEqual([[], []])
  expect(records).toMatchObject([{ userId: 'ann', status: 'offline', chosenAt: T + 5 }])
  expect(learn(HIDDEN, { choice: HIDDEN, madeAt: T + 5 }, T + 6).records).toEqual([])
})

test.each([
  ['has left another node on purpose', { choice: ONLINE, madeAt: 0 }, 'online'],
  ['is as hidden as before', { choice: HIDDEN, madeAt: T }, 'offline'],
  ['has an older choice in the log', { choice: BUSY, madeAt: T - 1 }, 'offline'],
] as const)(
  '[R4] a user who was lost here while hidden, and %s, comes back accordingly',
  (_, chosen, status) => {
    presence = newPresence({ ...AT_ONCE, hiddenKeepMs: HOUR })
    open('ann')
    presence.setStatus('ann', HIDDEN, T)
    presence.lose('ann', 's', T)
    presence.advance(T, 10)
    expect(presence.hasSession('ann')).toBe(false)
    learn(chosen.choice, chosen, T + 2)
    presence.apply(open('ann', T + 3).facts)
    expect(presence.see('ann').status).toBe(status)
  },
)

test('[R13] a choice with an end that has ended elsewhere ends here', () => {
  const choice = { ...BUSY, expiresAt: T + 9, madeAt: T - 9 }
  presence.apply(presence.open('ann', named('s'), T, { choice }).facts)
  learn(ONLINE, { choice: ONLINE, madeAt: T - 9 })
  expect(presence.choice('ann').status).toBe('online')
})

test('a choice that was acknowledged elsewhere and is not shown yet is said by this node too', () => {
  presence.apply(open('ann').facts)
  expect(learn(ONLINE, { choice: BUSY, madeAt: T + 1 }, T + 2).facts).toMatchObject([{ choice: BUSY }])
  const ended = { ...BUSY, text: 'ended', expiresAt: T + 2 }
  expect(learn(BUSY, { choice: ended, madeAt: T + 2 }, T + 3).facts).toMatchObject([{ choice: ONLINE }])
})

test('a user without a session here learns nothing', () => {
  presence = newPresence(DEFAULTS)
  presence.apply(presence.open('ann', named('s'), T).facts)
  presence.apply(presence.setStatus('ann', BUSY, T).facts)
  presence.apply(presence.leave('ann', 's', T).facts)
  expect(learn(HIDDEN, { choice: HIDDEN, madeAt: T + 5 }).records).toEqual([])
  expect(presence.record('ann')?.keptHidden).toBeUndefined()
})

test('the log is told when each session was opened, but not of one from before a restart', () => {
  const { records } = open('ann', T + 3)
  presence.open('ann', named('s2'), T + 4)
  presence.lose('ann', 's', T + 5)
  expect(presence.present('ann')).toMatchObject({ connections: 1, sessions: { s: T + 3, s2: T + 4 } })
  const next = newPresence({ ...DEFAULTS })
  next.restore(records, T + 6)
  expect(next.present('ann')).toMatchObject({
    connections: 0,
    sessions: {},
    isHere: true,
    isVisible: true,
    lastSeen: T + 3,
  })
})

test('[V8] a session that continues on another node ends here, live or held', () => {
  presence = newPresence(DEFAULTS)
  for (const id of ['live', 'held', 'other']) presence.apply(presence.open('ann', named(id), T).facts)
  presence.lose('ann', 'held', T)
  const moved = (id: string) => presence.endMoved('ann', id, T + 1)
  for (const id of ['live', 'held']) {
    expect(moved(id)).toMatchObject({ facts: [], ended: [{ userId: 'ann', sessionId: id }] })
    expect(moved(id).ended).toEqual([])
  }
  expect(presence.present('ann').sessions).toEqual({ other: T })
  expect(moved('other').facts).toMatchObject([{ sessions: 'none', cause: 'left', lastSeen: T }])
  expect(moved('other')).toMatchObject({ facts: [], records: [], ended: [] })
  expect(presence.hasSession('ann')).toBe(false)
})

test('[V8] a session that the server has named, or restored, never moves', () => {
  presence.open('ann', { id: 's', named: false }, T)
  expect(presence.endMoved('ann', 's', T).ended).toEqual([])
  const next = newPresence(DEFAULTS)
  next.restore(presence.records(), T)
  expect(next.endMoved('ann', 'before the restart', T).ended).toEqual([])
  expect(next.hasSession('ann')).toBe(true)
})

test('[V13] when the session of a hidden user moves, this node forgets the choice, which the cluster knows', () => {
  open('ann')
  presence.setStatus('ann', HIDDEN, T)
  expect(presence.endMoved('ann', 's', T + 1).facts).toEqual([])
  choices.set('ann', { choice: HIDDEN, madeAt: T })
  expect(open('ann', T + 2).facts).toEqual([])
  presence.endMoved('ann', 's', T + 3)
  // The user has shown again there, and has left.
  choices.delete('ann')
  expect(open('ann', T + 4).facts).toMatchObject([{ choice: ONLINE }])
})

test('[L7] changes that other nodes have caused count in the rate limit of visible changes', () => {
  const changePace = { burst: 3, everyMs: 10 }
  const statusAfter = (changes: number) => {
    presence = newPresence({ ...AT_ONCE, changePace })
    presence.apply(open('ann').facts)
    presence.changedElsewhere(Array<string>(changes).fill('ann'), T)
    presence.apply(presence.setStatus('ann', BUSY, T).facts)
    return presence.see('ann').status
  }
  expect([statusAfter(1), statusAfter(2)]).toEqual(['busy', 'online'])
  expect(presence.nextDeadline).toBe(T + 10)
  presence.apply(presence.advance(T + 10, 10).facts)
  expect(presence.see('ann').status).toBe('busy')
  // A user who has no session here yet.
  presence.changedElsewhere(['bob', 'bob', 'bob'], T + 10)
  presence.apply(presence.open('bob', named('s'), T + 10).facts)
  expect(presence.see('bob').status).toBe('offline')
})

/** A session on another node where the user is idle since `T + 5`. */
const IDLE_ELSEWHERE = { ids: ['other'], isActive: false, isLookedAt: true, lastActive: T + 5 }
const IDLE_FACT = fact('ann', { sessions: 'idle', lastSeen: T + 9 })

test('[R21] the detail of a user has the sessions of all nodes', () => {
  presence.apply([IDLE_FACT], [])
  others.set('ann', IDLE_ELSEWHERE)
  const idle = { sessions: 1, active: false, visible: true, lastActive: T + 5 }
  expect(presence.detail('ann', false)).toEqual(idle)
  // A session that moves is on two nodes for a moment.
  presence.open('ann', named('other'), T + 20)
  expect(presence.detail('ann', false)).toEqual({ ...idle, active: true, lastActive: T + 20 })
  presence.setActivity('ann', 'other', 'idle', T + 30)
  presence.open('ann', named('third'), T + 40)
  presence.setActivity('ann', 'third', 'idle', T + 40)
  others.set('ann', { ...IDLE_ELSEWHERE, isActive: true, lastActive: T + 25 })
  // Here the user is idle, so what this node knows of the time does not count.
  expect(presence.detail('ann', false)).toEqual({ ...idle, sessions: 2, active: true, lastActive: T + 25 })
  others.set('ann', { ...IDLE_ELSEWHERE, lastActive: 0 })
  expect(presence.detail('ann', false)).toMatchObject({ active: false, lastActive: T + 40 })
})

test('[R21] of a user who hides on another node, the detail tells no more than of one who is offline', () => {
  presence.heard('nobody', T + 100)
  presence.apply([IDLE_FACT], [])
  presence.apply([{ ...IDLE_FACT, choice: HIDDEN, cause: 'left' }], [])
  others.set('ann', IDLE_ELSEWHERE)
  const nothing = { sessions: 0, active: false, visible: false, lastActive: T + 9 }
  expect(presence.detail('ann', false)).toEqual(nothing)
  expect(presence.detail('ann', true)).toEqual({ ...nothing, sessions: 1, visible: true, lastActive: T + 5 })
})

test('[R18] when another node shows a user again, this node forgets since when the user is idle', () => {
  const said = () => presence.present('ann').idleSince
  open('ann')
  presence.setStatus('ann', HIDDEN, T + 1)
  presence.setActivity('ann', 's', 'idle', T + 2)
  expect(said()).toBe(T + 2)
  learn(ONLINE, { choice: ONLINE, madeAt: T + 1_000 }, T + 1_000)
  expect(said()).toBe(T + 1_000)
  // The negative control: a user whom others have seen all the time.
  learn(BUSY, { choice: BUSY, madeAt: T + 2_000 }, T + 2_000)
  expect(said()).toBe(T + 1_000)
})

test('[E18] a status begins at the time of its entry, and a node that has loaded does not know when', () => {
  presence.apply([fact('ann', { at: T + 700 }), fact('bob', { at: T + 800 })], [])
  const since = () => ['ann', 'bob', 'eve'].map(userId => presence.see(userId).since)
  expect(since()).toEqual([T + 700, T + 800, undefined])
  presence.apply([fact('bob', { sessions: 'idle', at: T + 900 }), fact('eve', { at: T + 900 })], [], true)
  expect(since()).toEqual([undefined, undefined, undefined])
  presence.apply([fact('ann', { sessions: 'idle', at: T + 950 })], [])
  expect(since()).toEqual([T + 950, undefined, undefined])
})

/** What another node answers about a user with a session. */
const part = (state: 'active' | 'idle', what: Partial<SessionInfo> = {}, more: Partial<UserPart> = {}) => {
  const session = {
    sessionId: 'other',
    kind: 'socket',
    connectedAt: T,
    lastAliveAt: T,
    visible: true,
  } as const
  const active = state === 'active'
  return { state, sessions: [{ ...session, active, ...what }], graces: [], ...more } as UserPart
}

describe('[R21] an explanation combines what all nodes know', () => {
  const why = (...parts: UserPart[]) => presence.explain('ann', { parts, isWhole: true })
  const unanswered = (...parts: UserPart[]) => presence.explain('ann', { parts, isWhole: false })
  const isOn = (shown: Partial<Fact>, isActive = true) => {
    presence.apply([fact('ann', shown)], [])
    others.set('ann', { ...IDLE_ELSEWHERE, isActive })
  }

  test('by the sessions of a node without the user', () => {
    isOn({})
    expect(why(part('active'))).toMatchObject({
      reason: 'active',
      hidden: false,
      sessions: [{ active: true }],
    })
    expect(why(part('active', { kind: 'lease' })).reason).toBe('leased')
    const graces = [{ sessionId: 'other', endsAt: T + 9 }]
    expect(why(part('active', {}, { graces }))).toMatchObject({ reason: 'grace', graces })
  })

  test('by an active session on any node', () => {
    isOn({})
    presence.apply([], open('ann').facts)
    presence.setActivity('ann', 's', 'idle', T)
    expect(why(part('active')).reason).toBe('active')
    expect(why(part('active')).sessions.map(({ sessionId }) => sessionId)).toEqual(['s', 'other'])
    isOn({ sessions: 'idle' }, false)
    expect(why(part('idle')).reason).toBe('idle')
  })

  test('by the choice that the nodes agree on, also of a hidden user, and by a delay on any node', () => {
    choices.set('ann', { choice: BUSY, madeAt: T + 7 })
    isOn({ choice: BUSY })
    expect(why(part('active'))).toMatchObject({
      reason: 'chosen',
      choice: { status: 'busy', chosenAt: T + 7 },
    })
    choices.set('ann', { choice: HIDDEN, madeAt: T + 8 })
    const delayedUntil = T + 5_000
    expect(why(part('active', {}, { delayedUntil }))).toMatchObject({
      reason: 'delayed',
      delayed: { status: 'offline', until: delayedUntil },
    })
    isOn({ choice: HIDDEN })
    expect(why(part('active'))).toMatchObject({
      reason: 'hidden',
      hidden: true,
      shown: { status: 'offline' },
    })
  })

  test('by a choice that is kept of a user who is gone', () => {
    choices.set('ann', { choice: HIDDEN, madeAt: T, keptSince: T + 3 })
    expect(why()).toMatchObject({
      reason: 'noSession',
      hidden: false,
      choice: { status: 'offline' },
      choiceKeptUntil: T + 3 + AT_ONCE.hiddenKeepMs,
    })
    choices.set('ann', { choice: ONLINE, madeAt: T, keptSince: T + 3 })
    expect(why()).not.toHaveProperty('choiceKeptUntil')
  })

  test('by another node only if that could not be asked, and the log does not tell more', () => {
    isOn({})
    expect(unanswered()).toMatchObject({ reason: 'elsewhere', sessions: [], hidden: false })
    expect(unanswered(part('active')).reason).toBe('active')
    isOn({ sessions: 'idle' }, false)
    expect(unanswered().reason).toBe('idle')
    choices.set('ann', { choice: HIDDEN, madeAt: T })
    isOn({ choice: HIDDEN })
    expect(unanswered()).toMatchObject({ reason: 'hidden', hidden: true })
    others.clear()
    expect(unanswered()).toMatchObject({ reason: 'noSession', hidden: false })
  })
})

test('[E6] a choice without an end needs a session on another node, and this node keeps it until the log has it', () => {
  expect(presence.setStatusAhead('ann', BUSY, T)).toBeUndefined()
  others.set('ann', { ids: ['s'], isActive: true, isLookedAt: true, lastActive: T })
  expect(presence.setStatusAhead('ann', BUSY, T)).toMatchObject({ facts: [], choices: [] })
  expect(presence.present('ann')).toMatchObject({ choice: BUSY, madeAt: T, isSetAhead: true, isHere: false })
  learn(ONLINE, { choice: BUSY, madeAt: T, keptSince: 0 })
  expect(presence.present('ann')).toMatchObject({ choice: ONLINE, madeAt: 0, isSetAhead: false })
  expect([presence.knownCount, presence.nextDeadline]).toEqual([0, Number.POSITIVE_INFINITY])
})

test('[E6] a choice that a backend sets is newer than the one that the nodes know, also if a clock is behind', () => {
  const expiresAt = T + HOUR
  choices.set('ann', { choice: { ...BUSY, expiresAt }, madeAt: T + 3 })
  // This node knows the user from before.
  open('ann')
  presence.leave('ann', 's', T)
  choices.set('ann', { choice: { ...BUSY, expiresAt }, madeAt: T + 5 })
  presence.setStatusAhead('ann', { ...HIDDEN, expiresAt }, T + 4)
  expect(presence.present('ann').madeAt).toBe(T + 6)
})

test('[E15] this node keeps a choice ahead until another node has it with a session, or knows a newer one', () => {
  const choice = { ...BUSY, expiresAt: T + HOUR }
  const isKept = () => presence.present('ann').isSetAhead
  for (const taken of [{ choice, madeAt: T }, { choice: ONLINE, madeAt: T + 1 }, undefined]) {
    presence.setStatusAhead('ann', choice, T)
    learn(ONLINE, { choice, madeAt: T, keptSince: 0 })
    expect(isKept()).toBe(true)
    learn(ONLINE, taken)
    expect(isKept()).toBe(false)
  }
})

test('[E6 N10] this node keeps a choice ahead while the log has an older one, and says it again', () => {
  const older = { choice: BUSY, madeAt: T - 1, keptSince: 0 }
  const isKept = () => presence.present('ann').isSetAhead
  present.add('ann')
  others.set('ann', IDLE_ELSEWHERE)
  presence.setStatusAhead('ann', HIDDEN, T)
  expect(learn(ONLINE, older).records).toHaveLength(1)
  expect(isKept()).toBe(true)
  // Without an end it counts only while the user is somewhere.
  present.clear()
  expect(learn(ONLINE, older).records).toEqual([])
  expect([isKept(), presence.knownCount]).toEqual([false, 0])
  // With an end it counts later too.
  presence.setStatusAhead('ann', { ...HIDDEN, expiresAt: T + HOUR }, T)
  expect(learn(ONLINE, older).records).toHaveLength(1)
  expect(isKept()).toBe(true)
})

test('[R13] a choice with an end that a user has left with is over here when another node knows a newer one', () => {
  const choice = { ...BUSY, expiresAt: T + HOUR }
  presence.open('ann', named('s'), T, { choice })
  presence.leave('ann', 's', T)
  learn(ONLINE, { choice, madeAt: T })
  expect(presence.present('ann').choice).toEqual(choice)
  learn(ONLINE, { choice: HIDDEN, madeAt: T + 1 })
  expect(presence.present('ann').choice).toEqual(ONLINE)
})
