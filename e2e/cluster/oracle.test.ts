import { beforeEach, describe, expect, test } from 'vitest'
import { describeStep, KINDS, schedule } from './chaos-schedule.ts'
import { Oracle, RULES, type Rule, type Shown } from './oracle.ts'
import { Troubles } from './troubles.ts'
import type { Status } from './truth.ts'

// What the chaos run must report, and what it must not. Times are in ms.

const WITNESS = { name: 'observer', node: 1 }
/** The node of the user's session. */
const HOME = 0

let oracle: Oracle

const as = (status: Status, name?: string) => (): Shown => ({ status, name })
const rules = () => oracle.violations.map(({ rule }) => rule)

beforeEach(() => {
  oracle = new Oracle(new Troubles())
  oracle.user('ann').welcomed('tab', HOME, 100_000)
})

describe('falsified observations are reported', () => {
  const falsified: Record<Rule, () => void> = {
    I1() {
      oracle.user('ann').ended('tab', 'left', 110_000)
      oracle.shows(WITNESS, as('online'), 111_500)
    },
    I2: () => oracle.told(WITNESS, 'ann', 'offline', 110_000),
    I3: () => oracle.shows(WITNESS, as('offline'), 110_000),
    I4: () => oracle.diff(WITNESS, 7, { prevSeq: 8, seq: 9 }, 110_000),
    I5: () => oracle.diff(WITNESS, 7, { prevSeq: 7, seq: 6 }, 110_000),
    hidden() {
      oracle.user('ann').acknowledged('offline', 110_000)
      oracle.told(WITNESS, 'ann', 'busy', 112_000)
    },
    cut: () => oracle.closed({ name: 'ann', node: HOME }, 1006, 110_000),
    choice: () => oracle.choiceApplies('ann', HOME, 'busy', 110_000),
  }

  test.each(RULES)('%s', rule => {
    falsified[rule]()
    expect(rules()).toEqual([rule])
  })

  test('a status, a name and an answer that are wrong', () => {
    const user = oracle.user('ann')
    user.acknowledged('busy', 110_000)
    user.named('Ann', 110_000)
    oracle.shows(WITNESS, as('busy', 'Ann'), 112_000)
    expect(rules()).toEqual([])
    oracle.shows(WITNESS, as('away', 'Ann'), 112_000)
    oracle.shows(WITNESS, as('busy', 'Anne'), 112_001)
    oracle.answered(WITNESS, 'ann', { status: 'busy', name: 'Ann' }, { status: 'away', name: 'Ann' }, 112_000)
    expect(rules()).toEqual(['I3', 'I3', 'I4'])
  })

  test('a hidden user whom an answer shows', () => {
    oracle.user('ann').acknowledged('offline', 110_000)
    oracle.shows(WITNESS, as('offline'), 112_000)
    oracle.shows(WITNESS, as('online'), 112_001)
    expect(rules()).toEqual(['hidden'])
  })

  test.each([
    ['reset', 106_000],
    ['silent', 130_000],
  ] as const)('a user whose connection was %s, after the limit', (how, limit) => {
    oracle.user('ann').ended('tab', how, 100_000)
    oracle.shows(WITNESS, as('online'), limit - 1)
    expect(rules()).toEqual([])
    oracle.shows(WITNESS, as('online'), limit + 1)
    expect(rules()).toEqual(['I1'])
  })

  test('a user of a killed node, after 15 s', () => {
    oracle.troubles.ended(HOME, 'killed', 110_000)
    oracle.user('ann').ended('tab', 'cut', 110_000)
    oracle.shows(WITNESS, as('online'), 124_999)
    expect(rules()).toEqual([])
    oracle.shows(WITNESS, as('online'), 125_001)
    expect(rules()).toEqual(['I1'])
  })

  test('a convergence that takes too long, or never ends', () => {
    oracle.converged(4_000, [], 110_000)
    expect(rules()).toEqual([])
    oracle.converged(6_000, [], 110_000)
    oracle.converged(undefined, ['ann'], 110_000)
    expect(rules()).toEqual(['I3', 'I3'])
  })

  test('a false offline while the session moves to another node', () => {
    oracle.user('ann').welcomed('tab', 2, 110_000)
    oracle.told(WITNESS, 'ann', 'offline', 110_200)
    expect(rules()).toEqual(['I2'])
  })

  test('a false offline of a user who was cut off a moment ago', () => {
    oracle.user('ann').ended('tab', 'cut', 110_000)
    oracle.told(WITNESS, 'ann', 'offline', 113_900)
    expect(rules()).toEqual(['I2'])
  })
})

describe('a fault is an excuse only for what it causes', () => {
  test('a node that is frozen for 5 s makes nobody offline', () => {
    oracle.troubles.begin(HOME, 'frozen', 110_000)(115_000)
    oracle.told(WITNESS, 'ann', 'offline', 114_900)
    expect(rules()).toEqual(['I2'])
  })

  test('users of a node that is cut off for longer than 9 s go offline, until it works again', () => {
    oracle.troubles.begin(HOME, 'cut', 110_000)(125_000)
    oracle.told(WITNESS, 'ann', 'offline', 117_000)
    expect(rules()).toEqual(['I2'])
    oracle.told(WITNESS, 'ann', 'offline', 120_000)
    expect(rules()).toHaveLength(1)
    oracle.told(WITNESS, 'ann', 'offline', 135_000)
    expect(rules()).toHaveLength(2)
  })

  test('an observer at a node in trouble may be wrong until 5 s after it', () => {
    oracle.troubles.begin(WITNESS.node, 'cut', 110_000)(114_000)
    oracle.user('ann').acknowledged('offline', 112_000)
    oracle.shows(WITNESS, as('online'), 118_900)
    oracle.told(WITNESS, 'ann', 'online', 118_900)
    expect(rules()).toEqual([])
    oracle.shows(WITNESS, as('online'), 119_100)
    expect(rules()).toEqual(['hidden'])
  })

  test('a user who was hidden before a trouble is never shown', () => {
    oracle.user('ann').acknowledged('offline', 105_000)
    const over = oracle.troubles.begin('redis', 'lost', 110_000)
    oracle.told(WITNESS, 'ann', 'online', 110_500)
    over(111_000)
    expect(rules()).toEqual(['hidden'])
  })

  test('only the end of the own node may cut a client', () => {
    oracle.troubles.ended(WITNESS.node, 'killed', 110_000)
    oracle.closed({ name: 'bob', node: WITNESS.node }, 1006, 110_010)
    expect(rules()).toEqual([])
    oracle.troubles.begin('redis', 'slow', 110_000)
    oracle.closed({ name: 'ann', node: HOME }, 1006, 110_010)
    expect(rules()).toEqual(['cut'])
  })

  test('a node that was suspended, and ended while it held a session, is an excuse until others miss its beats', () => {
    oracle.troubles.begin(HOME, 'frozen', 90_000)(102_000)
    oracle.user('ann').ended('tab', 'silent', 103_000)
    oracle.troubles.ended(HOME, 'killed', 135_000)
    oracle.shows(WITNESS, as('online'), 149_999)
    expect(rules()).toEqual([])
    oracle.shows(WITNESS, as('online'), 150_001)
    expect(rules()).toEqual(['I1'])
  })

  test('a user is lost for others if all sessions are on nodes that they take for lost', () => {
    const user = oracle.user('ann')
    const over = oracle.troubles.begin(HOME, 'cut', 110_000)
    const isLost = (at: number) => user.isLostForOthers(at, 5_000)
    expect([isLost(117_900), isLost(118_100)]).toEqual([false, true])
    user.welcomed('other tab', 2, 119_000)
    expect(isLost(119_000)).toBe(false)
    user.ended('other tab', 'left', 119_500)
    over(120_000)
    expect([isLost(124_000), isLost(126_000)]).toEqual([true, false])
  })

  test('a user who connects may be back as online before the client is welcome, unless the user hides', () => {
    const user = oracle.user('ann')
    user.acknowledged('busy', 105_000)
    user.ended('tab', 'reset', 110_000)
    user.tries(true)
    oracle.shows(WITNESS, as('online'), 117_000)
    expect(rules()).toEqual([])
    oracle.shows(WITNESS, as('away'), 117_001)
    expect(rules()).toEqual(['I3'])
    user.acknowledged('offline', 118_000)
    oracle.shows(WITNESS, as('online'), 120_000)
    expect(rules()).toEqual(['I3', 'hidden'])
  })

  test('a pending choice may be shown or not', () => {
    oracle.user('ann').mayHave(['busy'], 110_000)
    oracle.shows(WITNESS, as('online'), 112_000)
    oracle.shows(WITNESS, as('busy'), 112_000)
    expect(rules()).toEqual([])
    oracle.shows(WITNESS, as('away'), 112_000)
    expect(rules()).toEqual(['I3'])
  })
})

describe('a schedule', () => {
  const steps = (seed: number, count: number) => {
    const all = schedule(seed)
    return Array.from({ length: count }, () => all.next().value)
  }

  test('depends only on its seed, and has each kind soon', () => {
    expect(steps(1, 30)).toEqual(steps(1, 30))
    expect(steps(1, 30)).not.toEqual(steps(2, 30))
    const kinds = new Set(steps(1, KINDS.length).flatMap(({ faults }) => faults.map(({ kind }) => kind)))
    expect([...kinds].toSorted()).toEqual([...KINDS].toSorted())
    expect(steps(1, 30).map(describeStep).join()).toContain(' and ')
  })
})
