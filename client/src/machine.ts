import * as CLOSE from './close.ts'

/**
 * Where the connection is:
 *
 * - `idle`: nobody has asked for it yet
 * - `connecting`: up to the server's welcome
 * - `open`: the server answers
 * - `waiting`: it was lost or failed, and the next attempt is on its way
 * - `suspended`: the server does not want this client back as it is
 * - `closed`: by the application, for good
 *
 * There is no state for "offline": a browser that believes so is believed only so far as to look (`wake`).
 */
export type ConnectionState = 'idle' | 'connecting' | 'open' | 'waiting' | 'suspended' | 'closed'

/** What is used up until a connection has held; then it is all there again. */
interface Rights {
  /** How many attempts came to nothing since the connection last held. */
  readonly failures: number
  /** Close codes after which this client may come back, changed. */
  readonly mendable: readonly number[]
  /** Whether good news may end a wait: not one that the server asked for, and not again and again. */
  readonly mayHurry: boolean
}

/** All that the connection remembers. */
export interface Machine extends Rights {
  readonly state: ConnectionState
  /** What it may do again when it has held. */
  readonly rights: Rights
}

/**
 * What can happen to a connection:
 *
 * - `lost`: the socket is gone
 * - `useless`: it is of no use any more, whatever the browser says of the socket: silent for too long, or full of
 *   nonsense, or made with a token that ends
 * - `due`: the time has come that the last step has set
 * - `wake`: a sign that the network, or somebody who looks, is back
 */
export type Event = (typeof EVENTS)[number]

const EVENTS = ['connect', 'welcome', 'lost', 'useless', 'due', 'wake', 'close'] as const

/** What more there is to know of an event. */
export interface Facts {
  /** What a socket was closed with. */
  readonly code: number
  /** How long the server wants to be left alone. */
  readonly retryAfterMs: number
  /** From 0 up to 1: decides within the bounds when to come back. */
  readonly random: number
}

/**
 * What is to be done about it:
 *
 * - `open`: opens a socket; after 4409 as another session
 * - `resume`: says what is followed, and what waits to be said
 * - `probe`: asks the server for a sign of life, now
 *
 * A socket is left in any other state than `connecting` and `open`, and for another one.
 */
export type Effect = 'open' | 'resume' | 'probe'

/** What the connection is then, what is to be done, and after how many milliseconds `due` happens if that is its state still. */
export type Step = readonly [machine: Machine, effect?: Effect | undefined, dueMs?: number]

/**
 * How long an attempt may take, from the token to the welcome. A slow phone connects in less. Together with
 * {@link MAX_WAIT_MS} it must fit into the server's RESTART_GRACE_MS (e2e/fit.test.ts).
 */
export const CONNECT_MS = 10_000

/** A connection that has held for this long is a good one: its next loss is the first. */
const STABLE_MS = 10_000

/**
 * The longest wait after the first failure; it doubles with each further one. It must fit into the server's
 * OFFLINE_GRACE_MS, so that an ordinary loss of the line shows nobody as offline.
 */
export const FIRST_WAIT_MS = 1_000

/** The longest wait of all: a client is back within the server's RESTART_GRACE_MS, however long the server was away. */
export const MAX_WAIT_MS = 10_000

/** How long to stay away at least from a server that finds this client too fast, where it does not say. */
const AWAY_MS = 10_000

/** Close codes by which a server says that it did not like what it heard: the same soon again is not what it needs. */
const DISLIKED = [1002, 1007, 1009, CLOSE.tooFast]

/** A connection that nobody has asked for; with the means to get a new token, a bad one is no end. */
export function begin(canRenewToken: boolean): Machine {
  const mendable: number[] = canRenewToken ? [CLOSE.replaced, CLOSE.badToken] : [CLOSE.replaced]
  const rights = { failures: 0, mendable, mayHurry: true }
  return { state: 'idle', ...rights, rights }
}

type Rule = (machine: Machine, facts: Facts) => Step

const stay: Rule = machine => [machine]

const connect = (machine: Machine): Step => [{ ...machine, state: 'connecting' }, 'open', CONNECT_MS]

const hurry: Rule = machine => (machine.mayHurry ? connect({ ...machine, mayHurry: false }) : [machine])

const lost: Rule = (machine, { code, retryAfterMs, random }) => {
  const { mendable, failures } = machine
  if (mendable.includes(code))
    return connect({ ...machine, mendable: mendable.filter(each => each !== code) })
  if (code >= 4400 && code < 4500 && code !== CLOSE.tooFast) return [{ ...machine, state: 'suspended' }]
  const leastMs = Math.max(retryAfterMs, DISLIKED.includes(code) ? AWAY_MS : 0)
  const mayHurry = machine.mayHurry && leastMs === 0
  return [
    { ...machine, state: 'waiting', failures: failures + 1, mayHurry },
    undefined,
    // Full jitter: a thousand clients that were lost together come back spread over the whole wait.
    leastMs + random * Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** failures),
  ]
}

const close: Rule = machine => [{ ...machine, state: 'closed' }]

const forgive: Rule = machine => [{ ...machine, ...machine.rights }]

const welcome: Rule = machine => [{ ...machine, state: 'open' }, 'resume', STABLE_MS]

const retry: Rule = machine => connect({ ...machine, ...machine.rights })

const probe: Rule = machine => [machine, 'probe']

type Row<Columns extends readonly unknown[]> = { readonly [Column in keyof Columns]: Rule }

/** What each event means in each state, in the order of `EVENTS`. One that is forgotten here does not compile. */
// biome-ignore format: a table
const RULES: Readonly<Record<ConnectionState, Row<typeof EVENTS>>> = {
  //          connect  welcome  lost  useless due      wake   close
  idle:       [connect, stay,    stay, stay,   stay,    stay,  close],
  connecting: [stay,    welcome, lost, lost,   lost,    stay,  close],
  open:       [stay,    stay,    lost, lost,   forgive, probe, close],
  waiting:    [hurry,   stay,    stay, stay,   connect, hurry, close],
  suspended:  [retry,   stay,    stay, stay,   stay,    stay,  close],
  closed:     [stay,    stay,    stay, stay,   stay,    stay,  stay],
}

/** What follows from an event. Pure: whoever calls it keeps the result and does what is to be done. */
export function step(machine: Machine, event: Event, facts: Facts): Step {
  const rule = RULES[machine.state][EVENTS.indexOf(event)] ?? stay
  return rule(machine, facts)
}
