import { describe, expect, test } from 'vitest'
import { begin, type ConnectionState, type Event, type Facts, type Machine, step } from './machine.ts'

// Every state with every event: what it becomes, and what is done.

const base = begin(true)
const machine = (state: ConnectionState, more: Partial<Machine> = {}): Machine => ({
  ...base,
  state,
  ...more,
})

const FACTS: Facts = { code: 1006, retryAfterMs: 0, random: 0.5 }

const opens = 'connecting: open, due 10000'
const waits = 'waiting: due 500'

const TABLE: Record<ConnectionState, Record<Event, string>> = {
  idle: {
    connect: opens,
    welcome: 'idle:',
    lost: 'idle:',
    useless: 'idle:',
    due: 'idle:',
    wake: 'idle:',
    close: 'closed:',
  },
  connecting: {
    connect: 'connecting:',
    welcome: 'open: resume, due 10000',
    lost: waits,
    useless: waits,
    due: waits,
    wake: 'connecting:',
    close: 'closed:',
  },
  open: {
    connect: 'open:',
    welcome: 'open:',
    lost: waits,
    useless: waits,
    due: 'open:',
    wake: 'open: probe',
    close: 'closed:',
  },
  waiting: {
    connect: opens,
    welcome: 'waiting:',
    lost: 'waiting:',
    useless: 'waiting:',
    due: opens,
    wake: opens,
    close: 'closed:',
  },
  suspended: {
    connect: opens,
    welcome: 'suspended:',
    lost: 'suspended:',
    useless: 'suspended:',
    due: 'suspended:',
    wake: 'suspended:',
    close: 'closed:',
  },
  closed: {
    connect: 'closed:',
    welcome: 'closed:',
    lost: 'closed:',
    useless: 'closed:',
    due: 'closed:',
    wake: 'closed:',
    close: 'closed:',
  },
}

function told(from: Machine, event: Event, more: Partial<Facts> = {}): string {
  const [next, effect, dueMs] = step(from, event, { ...FACTS, ...more })
  const due = dueMs === undefined ? undefined : `due ${dueMs}`
  return `${next.state}: ${[effect, due].filter(word => word !== undefined).join(', ')}`.trim()
}

for (const [state, row] of Object.entries(TABLE) as [ConnectionState, Record<Event, string>][]) {
  describe(`[J2] ${state}`, () => {
    test.each(Object.entries(row) as [Event, string][])('%s → %s', (type, expected) => {
      expect(told(machine(state), type)).toBe(expected)
    })
  })
}

describe('[J3] close codes are obeyed', () => {
  test.each([1000, 1001, 1005, 1006, 1011, 1012, 4500, 4503, 4508, 4000])('%i: come back', code => {
    expect(told(machine('open'), 'lost', { code })).toBe(waits)
  })

  test.each([4400, 4403, 4404, 4499])('%i: do not come back as you are', code => {
    expect(told(machine('open'), 'lost', { code })).toBe('suspended:')
    expect(told(machine('connecting'), 'lost', { code })).toBe('suspended:')
  })

  test.each([4401, 4409])('%i: come back changed, once, until the connection has held', code => {
    const [changed] = step(machine('open'), 'lost', { ...FACTS, code })
    expect(told(machine('open'), 'lost', { code })).toBe(opens)
    expect(told(machine('connecting'), 'lost', { code })).toBe(opens)
    expect(told(changed, 'lost', { code })).toBe('suspended:')
    const [opened] = step(changed, 'welcome', FACTS)
    expect(told(opened, 'lost', { code })).toBe('suspended:')
    const [held] = step(opened, 'due', FACTS)
    expect(told(held, 'lost', { code })).toBe(opens)
  })

  test('4401 and 4409 are two rights: the one is there when the other is used', () => {
    const [changed] = step(machine('open'), 'lost', { ...FACTS, code: 4401 })
    expect(told(changed, 'lost', { code: 4409 })).toBe(opens)
  })

  test('4401 without the means to get another token is final', () => {
    expect(told({ ...begin(false), state: 'open' }, 'lost', { code: 4401 })).toBe('suspended:')
  })

  test('4429: wait as long as the server says, whatever good news comes', () => {
    const tooFast = { code: 4429, retryAfterMs: 10_000 }
    const [waiting] = step(machine('open'), 'lost', { ...FACTS, ...tooFast })
    expect(told(machine('open'), 'lost', tooFast)).toBe('waiting: due 10500')
    expect(told(waiting, 'wake')).toBe('waiting:')
    expect(told(waiting, 'connect')).toBe('waiting:')
    expect(told(waiting, 'due')).toBe(opens)
  })

  test.each([4429, 1002, 1007, 1009])('%i: stay away for a while, said or not', code => {
    expect(told(machine('open'), 'lost', { code })).toBe('waiting: due 10500')
    expect(told(machine('open'), 'lost', { code, retryAfterMs: 1 })).toBe('waiting: due 10500')
    const [waiting] = step(machine('open'), 'lost', { ...FACTS, code })
    expect(told(waiting, 'wake')).toBe('waiting:')
  })

  test('the server says how long to stay away at least', () => {
    expect(told(machine('open'), 'lost', { code: 4503, retryAfterMs: 800 })).toBe('waiting: due 1300')
    expect(told(machine('open'), 'lost', { code: 4429, retryAfterMs: 20_000 })).toBe('waiting: due 20500')
  })
})

describe('[J4] waits', () => {
  test('are random from 0 to a bound that doubles with each failure, up to 10 s', () => {
    const longest: number[] = []
    let now = machine('connecting')
    for (let n = 0; n < 8; n++) {
      expect(told(now, 'lost', { code: 1006, random: 0 })).toBe('waiting: due 0')
      const [next, , dueMs] = step(now, 'lost', { ...FACTS, code: 1006, random: 1 })
      longest.push(dueMs ?? Number.NaN)
      now = { ...next, state: 'connecting' }
    }
    expect(longest).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000, 10_000])
  })

  test('stay finite after a weekend', () => {
    expect(told(machine('connecting', { failures: 5_000 }), 'lost', { code: 1006 })).toBe('waiting: due 5000')
    expect(told(machine('connecting', { failures: 5_000 }), 'lost', { code: 1006, random: 0 })).toBe(
      'waiting: due 0',
    )
  })

  test('begin anew when a connection has held, not when it has opened', () => {
    const [opened] = step(machine('connecting', { failures: 4 }), 'welcome', FACTS)
    expect(opened.failures).toBe(4)
    expect(step(opened, 'due', FACTS)[0].failures).toBe(0)
  })

  test.each(['wake', 'connect'] as const)('end early by %s once, until a connection has held', event => {
    const [waiting] = step(machine('open'), 'lost', FACTS)
    const [hurried] = step(waiting, event, FACTS)
    expect(hurried.state).toBe('connecting')
    const [again] = step(hurried, 'lost', FACTS)
    expect(told(again, event)).toBe('waiting:')
    const [opened] = step(hurried, 'welcome', FACTS)
    const [lostSoon] = step(opened, 'lost', FACTS)
    expect(told(lostSoon, event)).toBe('waiting:')
    const [held] = step(opened, 'due', FACTS)
    const [lostLater] = step(held, 'lost', FACTS)
    expect(told(lostLater, event)).toBe(opens)
  })

  test('do not end early after one that the server asked for, until a connection has held', () => {
    const [asked] = step(machine('open'), 'lost', { ...FACTS, retryAfterMs: 800 })
    const [again] = step(asked, 'due', FACTS)
    const [waiting] = step(again, 'lost', FACTS)
    expect(told(waiting, 'wake')).toBe('waiting:')
  })

  test('are not taken by an application that connects after a refusal', () => {
    const refused = machine('suspended', { failures: 4, mendable: [], mayHurry: false })
    expect(step(refused, 'connect', FACTS)[0]).toMatchObject(base.rights)
  })
})
