import { seeded } from '@who-is-online/testing/random'
import { expect, test } from 'vitest'
import { ANSWER_MS } from '../client/src/connection.ts'
import { type Event, initialMachine, type Machine, step } from '../client/src/machine.ts'
import { AWAY_MS_PER_CLIENT } from '../server/src/gateway/gateway.ts'
import { ConnectionLimits, UNLIMITED } from '../server/src/gateway/limits.ts'
import { Deadlines } from '../server/src/presence/deadlines.ts'
import { readSettings } from '../server/src/settings.ts'

// A thousand clients behind one address while their server is down, in virtual time, with the state machine
// of the client and the handshake limits of the server.

const SEED = Number(process.env['SEED'] ?? 20_261_201)
const CLIENTS = 1_000

const SETTINGS = readSettings({ AUTH: 'open' })

/** The longest times until a refusal and until a welcome, in ms. */
const REFUSED_MS = 200
const WELCOME_MS = 2_000

/** How the server ends: it closes the connections, they are reset, or the network fails. */
type End = 'stopped' | 'killed' | 'unplugged'

interface Outage {
  readonly end: End
  readonly awayMs: number
  /** The share of attempts that get no answer while the server is down; the others are refused. */
  readonly hangs: number
  /** A factor for all waits of the client. */
  readonly slower: number
  readonly burst: number
  readonly perSecond: number
}

interface Client {
  machine: Machine
  /** Increases with each attempt and each timer, which cancels earlier timers. */
  attempt: number
  due: number
}

/** Simulates an outage. Returns when each client is back, in ms after its end, in ascending order. */
function simulate({ end, awayMs, hangs, slower, burst, perSecond }: Outage, seed: number): number[] {
  const random = seeded(seed)
  const events = new Deadlines<() => void>()
  const limits = new ConnectionLimits({
    ...UNLIMITED,
    handshakes: {
      burst: 2 * SETTINGS.HANDSHAKES_PER_SECOND,
      everyMs: 1_000 / SETTINGS.HANDSHAKES_PER_SECOND,
    },
    handshakesPerAddress: { burst, everyMs: 1_000 / perSecond },
  })
  const back: number[] = []
  let now = 1_000_000
  const returnsAt = now + awayMs

  function happen(client: Client, event: Event, retryAfterMs = 0): void {
    const before = client.machine.state
    const [machine, effect, dueMs] = step(client.machine, event, {
      code: 1006,
      retryAfterMs,
      random: slower * random(),
    })
    client.machine = machine
    if (machine.state !== before || dueMs !== undefined) client.due++
    const { due } = client
    if (dueMs !== undefined) events.add(now + dueMs, () => due === client.due && happen(client, 'timer'))
    if (effect === 'open') attempt(client)
    else if (machine.state !== 'connecting') client.attempt++
    if (machine.state === 'open' && before !== 'open') back.push(now - returnsAt)
  }

  function attempt(client: Client): void {
    const own = ++client.attempt
    const later = (ms: number, event: Event): void =>
      events.add(now + ms, () => own === client.attempt && happen(client, event))
    const isAway = now < returnsAt
    // The attempt hangs until the client gives up, even if the server is back by then.
    if (isAway && random() < hangs) return
    if (isAway || limits.handshake('one address', now)) later(REFUSED_MS * random(), 'lost')
    else later(WELCOME_MS * random(), 'welcome')
  }

  for (let n = 0; n < CLIENTS; n++) {
    const client: Client = { machine: { ...initialMachine(0), state: 'open' }, attempt: 0, due: 0 }
    const noticedMs = { stopped: 0, killed: 0, unplugged: SETTINGS.PING_MS * random() + ANSWER_MS }[end]
    const retryAfterMs = end === 'stopped' ? CLIENTS * AWAY_MS_PER_CLIENT * random() : 0
    events.add(now + noticedMs, () => happen(client, 'lost', retryAfterMs))
  }
  while (back.length < CLIENTS) {
    now = events.next
    events.take(now)?.()
  }
  return back.toSorted((one, other) => one - other)
}

const at = (sorted: readonly number[], share: number): number =>
  Math.round(sorted[Math.ceil(sorted.length * share) - 1] as number)

const OUTAGES = ([5_000, 75_000, 600_000] as const).flatMap(awayMs =>
  (['stopped', 'killed', 'unplugged'] as const).map(end => ({ end, awayMs })),
)
const usual = {
  hangs: 0.5,
  slower: 1,
  burst: SETTINGS.HANDSHAKES_BURST_PER_ADDRESS,
  perSecond: SETTINGS.HANDSHAKES_PER_SECOND_PER_ADDRESS,
}

test.each(OUTAGES)(
  '[J14] a thousand clients are back within the restart grace: server $end for $awayMs ms',
  outage => {
    const figures = [0, 0.5, 1].map(hangs => {
      const back = simulate({ ...usual, ...outage, hangs }, SEED)
      expect(at(back, 1), `SEED=${SEED}, ${hangs} of the attempts hang`).toBeLessThanOrEqual(
        SETTINGS.RESTART_GRACE_MS,
      )
      return `${at(back, 0.5)}/${at(back, 0.99)}/${at(back, 1)}`
    })
    console.log(`SEED=${SEED} N=${CLIENTS}: back after p50/p99/max ms ${figures.join(', ')}`)
  },
)

test.each([
  ['waits of up to 30 s', { slower: 3 }],
  ['20 handshakes a second and 100 at once', { burst: 100, perSecond: 20 }],
])('[J14] control: with %s they are not', (_, change) => {
  const back = simulate({ ...usual, end: 'killed', awayMs: 75_000, ...change }, SEED)
  expect(at(back, 1)).toBeGreaterThan(SETTINGS.RESTART_GRACE_MS)
})
