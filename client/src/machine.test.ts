import { describe, expect, test } from 'vitest'
import {
  type ConnectionState,
  type Event,
  type EventDetails,
  initialMachine,
  type Machine,
  step,
} from './machine.ts'

// Every event in every state: the next state, the effect and the timer.

const base = initialMachine(1)
const machine = (state: ConnectionState, more: Partial<Machine> = {}): Machine => ({
  ...base,
  state,
  ...more,
})

const DETAILS: EventDetails = { code: 1006, retryAfterMs: 0, random: 0.5 }

const opens = 'connecting: open, timer 10000'
const waits = 'waiting: timer 500'

const TABLE: Record<ConnectionState, Record<Event, string>> = {
  idle: {
    connect: opens,
    welcome: 'idle:',
    lost: 'idle:',
    timer: 'idle:',
    wake: 'idle:',
    close: 'closed:',
  },
  connecting: {
    connect: 'connecting:',
    welcome: 'open: resume, timer 10000',
    lost: waits,
    timer: waits,
    wake: 'connecting:',
    close: 'closed:',
  },
  open: {
    connect: 'open:',
    welcome: 'open:',
    lost: waits,
    timer: 'open:',
    wake: 'open: probe',
    close: 'closed:',
  },
  waiting: {
    connect: opens,
    welcome: 'waiting:',
    lost: 'waiting:',
    timer: opens,
    wake: opens,
    close: 'closed:',
  },
  refused: {
    connect: opens,
    welcome: 'refused:',
    lost: 'refused:',
    timer: 'refused:',
    wake: 'refused:',
    close: 'closed:',
  },
  closed: {
    connect: 'closed:',
    welcome: 'closed:',
    lost: 'closed:',
    timer: 'closed:',
    wake: 'closed:',
    close: 'closed:',
  },
}

function outcome(from: Machine, event: Event, more: Partial<EventDetails> = {}): string {
  const [next, effect, timerMs] = step(from, event, { ...DETAILS, ...more })
  const timer = timerMs === undefined ? undefined : `timer ${timerMs}`
  return `${next.state}: ${[effect, timer].filter(word => word !== undefined).join(', ')}`.trim()
}

for (const [state, row] of Object.entries(TABLE) as [ConnectionState, Record<Event, string>][]) {
  describe(`[J2] ${state}`, () => {
    test.each(Object.entries(row) as [Event, string][])('%s → %s', (type, expected) => {
      expect(outcome(machine(state), type)).toBe(expected)
    })
  })
}

describe('[J3] close codes', () => {
  test.each([1000, 1001, 1005, 1006, 1011, 1012, 4500, 4503, 4508, 4000])('%i: connect again', code => {
    expect(outcome(machine('open'), 'lost', { code })).toBe(waits)
  })

  test.each([4400, 4403, 4404, 4499])('%i: refused', code => {
    expect(outcome(machine('open'), 'lost', { code })).toBe('refused:')
    expect(outcome(machine('connecting'), 'lost', { code })).toBe('refused:')
  })

  test.each([4401, 4409])(
    '%i: connect again at once with other data, but only once until a connection has been stable',
    code => {
      const [changed] = step(machine('open'), 'lost', { ...DETAILS, code })
      expect(outcome(machine('open'), 'lost', { code })).toBe(opens)
      expect(outcome(machine('connecting'), 'lost', { code })).toBe(opens)
      expect(outcome(changed, 'lost', { code })).toBe('refused:')
      const [opened] = step(changed, 'welcome', DETAILS)
      expect(outcome(opened, 'lost', { code })).toBe('refused:')
      const [stable] = step(opened, 'timer', DETAILS)
      expect(outcome(stable, 'lost', { code })).toBe(opens)
    },
  )

  test('4401 and 4409 are counted separately', () => {
    const [changed] = step(machine('open'), 'lost', { ...DETAILS, code: 4401 })
    expect(outcome(changed, 'lost', { code: 4409 })).toBe(opens)
  })

  test('4401 without getToken: refused', () => {
    expect(outcome({ ...initialMachine(0), state: 'open' }, 'lost', { code: 4401 })).toBe('refused:')
  })

  test('4429: wait as long as the server says; wake and connect do not end the wait', () => {
    const tooFast = { code: 4429, retryAfterMs: 10_000 }
    const [waiting] = step(machine('open'), 'lost', { ...DETAILS, ...tooFast })
    expect(outcome(machine('open'), 'lost', tooFast)).toBe('waiting: timer 10500')
    expect(outcome(waiting, 'wake')).toBe('waiting:')
    expect(outcome(waiting, 'connect')).toBe('waiting:')
    expect(outcome(waiting, 'timer')).toBe(opens)
  })

  test.each([4429, 1002, 1007, 1009])('%i: wait at least 10 s, whatever the server says', code => {
    expect(outcome(machine('open'), 'lost', { code })).toBe('waiting: timer 10500')
    expect(outcome(machine('open'), 'lost', { code, retryAfterMs: 1 })).toBe('waiting: timer 10500')
    const [waiting] = step(machine('open'), 'lost', { ...DETAILS, code })
    expect(outcome(waiting, 'wake')).toBe('waiting:')
  })

  test('retryAfterMs of the server is the shortest wait', () => {
    expect(outcome(machine('open'), 'lost', { code: 4503, retryAfterMs: 800 })).toBe('waiting: timer 1300')
    expect(outcome(machine('open'), 'lost', { code: 4429, retryAfterMs: 20_000 })).toBe(
      'waiting: timer 20500',
    )
  })
})

describe('[J4] waits', () => {
  test('are random from 0 to a bound that doubles with each failure, up to 10 s', () => {
    const longest: number[] = []
    let now = machine('connecting')
    for (let n = 0; n < 8; n++) {
      expect(outcome(now, 'lost', { code: 1006, random: 0 })).toBe('waiting: timer 0')
      const [next, , timerMs] = step(now, 'lost', { ...DETAILS, code: 1006, random: 1 })
      longest.push(timerMs ?? Number.NaN)
      now = { ...next, state: 'connecting' }
    }
    expect(longest).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000, 10_000])
  })

  test('stay at 10 s after thousands of failures', () => {
    expect(outcome(machine('connecting', { failures: 5_000 }), 'lost', { code: 1006 })).toBe(
      'waiting: timer 5000',
    )
    expect(outcome(machine('connecting', { failures: 5_000 }), 'lost', { code: 1006, random: 0 })).toBe(
      'waiting: timer 0',
    )
  })

  test('start again from 1 s when a connection has been stable, not when it has opened', () => {
    const [opened] = step(machine('connecting', { failures: 4 }), 'welcome', DETAILS)
    expect(opened.failures).toBe(4)
    expect(step(opened, 'timer', DETAILS)[0].failures).toBe(0)
  })

  test.each(['wake', 'connect'] as const)(
    'end early by %s, but only once until a connection has been stable',
    event => {
      const [waiting] = step(machine('open'), 'lost', DETAILS)
      const [early] = step(waiting, event, DETAILS)
      expect(early.state).toBe('connecting')
      const [again] = step(early, 'lost', DETAILS)
      expect(outcome(again, event)).toBe('waiting:')
      const [opened] = step(early, 'welcome', DETAILS)
      const [lostSoon] = step(opened, 'lost', DETAILS)
      expect(outcome(lostSoon, event)).toBe('waiting:')
      const [stable] = step(opened, 'timer', DETAILS)
      const [lostLater] = step(stable, 'lost', DETAILS)
      expect(outcome(lostLater, event)).toBe(opens)
    },
  )

  test('do not end early after a wait that the server asked for, until a connection has been stable', () => {
    const [delayed] = step(machine('open'), 'lost', { ...DETAILS, retryAfterMs: 800 })
    const [again] = step(delayed, 'timer', DETAILS)
    const [waiting] = step(again, 'lost', DETAILS)
    expect(outcome(waiting, 'wake')).toBe('waiting:')
  })

  test('start again from 1 s when the application connects after a refusal', () => {
    const refused = machine('refused', { failures: 4, retries: {}, mayWake: false })
    expect(step(refused, 'connect', DETAILS)[0]).toMatchObject(base.full)
  })
})
