import { describe, expect, test } from 'vitest'
import { OneNode } from './testing/one-node.ts'
import { DEFAULTS } from './testing/options.ts'
import { named, T, tab } from './testing/scenario.ts'

/** Presence with a session `a` of the user `ann`. */
function withAnn(): OneNode {
  const presence = new OneNode(DEFAULTS)
  presence.open('ann', named('a'), T, { device: 'web' })
  return presence
}

const reason = (presence: OneNode) => presence.core.explain('ann').reason

test('[R21] a session says what its client is, when it began, and whether it is alive, active and visible', () => {
  const presence = withAnn()
  presence.heard('ann', T + 7, 'a')
  presence.open('ann', tab('b'), T + 8)
  presence.setActivity('ann', 'b', 'idle', T + 9)
  presence.setVisibility('ann', 'b', 'inactive', T + 9)
  presence.lease('ann', 'bot', { ttlMs: 10_000 }, T + 10)
  expect(presence.core.part('ann').sessions).toEqual([
    {
      sessionId: 'a',
      kind: 'socket',
      device: 'web',
      connectedAt: T,
      lastAliveAt: T + 7,
      active: true,
      visible: true,
    },
    {
      sessionId: 'b',
      kind: 'socket',
      connectedAt: T + 8,
      lastAliveAt: T + 8,
      active: false,
      visible: false,
    },
    {
      sessionId: 'bot',
      kind: 'lease',
      connectedAt: T + 10,
      lastAliveAt: T + 10,
      active: true,
      visible: true,
      leaseEndsAt: T + 10_010,
    },
  ])
  expect(presence.core.part('nobody').sessions).toEqual([])
})

test('[R21] times of sessions follow a jump of the wall clock', () => {
  const presence = withAnn()
  presence.heard('ann', T + 7, 'a')
  presence.lease('ann', 'bot', { ttlMs: 60_000 }, T + 10)
  presence.jumped(3_600_000, T + 3_600_010)
  expect(presence.core.part('ann').sessions).toMatchObject([
    { lastAliveAt: T + 3_600_007 },
    { leaseEndsAt: T + 3_660_010 },
  ])
})

describe('[R21] the detail of a user', () => {
  const nothing = { sessions: 0, active: false, visible: false }

  test('it says whether somebody looks, and when the user was last active', () => {
    const presence = withAnn()
    presence.heard('ann', T + 7, 'a')
    expect(presence.core.detail('ann', false)).toEqual({
      sessions: 1,
      active: true,
      visible: true,
      lastActive: T + 7,
    })
    presence.setActivity('ann', 'a', 'idle', T + 20)
    presence.heard('ann', T + 30, 'a')
    expect(presence.core.detail('ann', false)).toMatchObject({ active: false, lastActive: T + 20 })
    presence.setActivity('ann', 'a', 'active', T + 40, 10_000)
    presence.advance(T + 10_040, 10)
    expect(presence.core.detail('ann', false)).toMatchObject({ active: false, lastActive: T + 10_040 })
    // A client whose connection was lost shows nothing.
    presence.lose('ann', 'a', T + 10_050)
    expect(presence.core.detail('ann', false)).toMatchObject({ sessions: 1, visible: false })
    presence.advance(T + 20_000, 10)
    expect(presence.core.detail('ann', false)).toEqual({ ...nothing, lastActive: T + 30 })
    expect(presence.core.detail('nobody', true)).toEqual({ ...nothing, lastActive: null })
  })

  test('of a hidden user it says no more than of an offline one, unless it may tell the truth', () => {
    const presence = withAnn()
    presence.setStatus('ann', { status: 'offline' }, T + 5)
    presence.heard('ann', T + 9, 'a')
    expect(presence.core.detail('ann', false)).toEqual({ ...nothing, lastActive: T })
    expect(presence.core.detail('ann', true)).toMatchObject({ sessions: 1, active: true, lastActive: T + 9 })
  })

  test.each(['active', 'idle'] as const)(
    '[R18] it tells nothing of the time while the user hid (%s)',
    activity => {
      const presence = withAnn()
      presence.setStatus('ann', { status: 'offline' }, T + 5)
      presence.heard('ann', T + 9, 'a')
      presence.setActivity('ann', 'a', activity, T + 9)
      presence.setStatus('ann', { status: 'busy' }, T + 1_000)
      expect(presence.core.detail('ann', false)).toMatchObject({ sessions: 1, lastActive: T + 1_000 })
    },
  )

  test('after a restart, times of sessions are not known', () => {
    const presence = new OneNode(DEFAULTS)
    presence.restore([...withAnn().records()], T + 1_000)
    expect(presence.core.detail('ann', false)).toMatchObject({ sessions: 1, lastActive: T })
  })
})

describe('[R21] an explanation says why a user shows as they do', () => {
  test('by sessions and activity', () => {
    const presence = withAnn()
    expect(reason(presence)).toBe('active')
    presence.lease('ann', 'bot', { ttlMs: 60_000, activity: 'idle' }, T)
    presence.lose('ann', 'a', T)
    expect(presence.core.explain('ann')).toMatchObject({
      reason: 'grace',
      shown: { status: 'online' },
      graces: [{ sessionId: 'a', endsAt: T + 5_000 }],
    })
    presence.lease('ann', 'bot', { ttlMs: 60_000, activity: 'active' }, T)
    expect(reason(presence)).toBe('leased')
    presence.lease('ann', 'bot', { ttlMs: 60_000, activity: 'idle' }, T)
    presence.advance(T + 5_000, 10)
    expect(reason(presence)).toBe('idle')
    presence.endSession('ann', 'bot', T + 6_000)
    expect(presence.core.explain('ann')).toEqual({
      reason: 'noSession',
      shown: presence.see('ann'),
      hidden: false,
      sessions: [],
      graces: [],
      choice: { status: 'online' },
    })
    expect(presence.core.explain('nobody').reason).toBe('noSession')
  })

  test('by the choice, also of a hidden user, and of one who is hidden on returning', () => {
    const presence = withAnn()
    presence.setStatus('ann', { status: 'busy', expiresAt: T + 9_000 }, T + 1)
    expect(presence.core.explain('ann')).toMatchObject({
      reason: 'chosen',
      choice: { status: 'busy', expiresAt: T + 9_000, chosenAt: T + 1 },
    })
    presence.setStatus('ann', { status: 'offline' }, T + 2)
    expect(presence.core.explain('ann')).toMatchObject({
      reason: 'hidden',
      hidden: true,
      shown: { status: 'offline' },
      sessions: [{ sessionId: 'a' }],
    })
    presence.lose('ann', 'a', T + 3)
    presence.advance(T + 5_003, 10)
    expect(presence.core.explain('ann')).toMatchObject({
      reason: 'noSession',
      hidden: false,
      choice: { status: 'offline' },
      choiceKeptUntil: T + 5_003 + DEFAULTS.hiddenKeepMs,
    })
  })

  test('by a change that the rate limit delays, and by a session of before a restart', () => {
    const presence = new OneNode({ ...DEFAULTS, changePace: { burst: 1, everyMs: 3_000 } })
    presence.open('ann', named('a'), T)
    presence.setStatus('ann', { status: 'busy' }, T + 1)
    expect(presence.core.explain('ann')).toMatchObject({
      reason: 'delayed',
      shown: { status: 'online' },
      delayed: { status: 'busy', until: T + 3_000 },
    })
    presence.advance(T + 3_000, 10)
    expect(presence.core.explain('ann')).not.toHaveProperty('delayed')
    const restarted = new OneNode(DEFAULTS)
    restarted.restore([...withAnn().records()], T + 1_000)
    expect(restarted.core.explain('ann')).toMatchObject({
      reason: 'grace',
      sessions: [],
      graces: [{ endsAt: T + 1_000 + DEFAULTS.restartGraceMs }],
    })
  })

  test('by a change that the log does not have yet, unless nobody can tell whether another node has decided it', () => {
    const presence = withAnn()
    const [fact] = presence.core.setStatus('ann', { status: 'busy' }, T + 1).facts
    expect(fact).toBeDefined()
    expect(presence.core.explain('ann')).toMatchObject({ reason: 'chosen', shown: { status: 'online' } })
    expect(presence.core.explain('ann', { parts: [], isWhole: false }).reason).toBe('elsewhere')
  })
})
