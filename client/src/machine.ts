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

/** All that the connection remembers. */
export interface Machine {
  readonly state: ConnectionState
  /** How many attempts came to nothing since the connection last held. */
  readonly failures: number
  /** Close codes after which this client may come back, changed: each once, until the connection has held. */
  readonly mendable: readonly number[]
  readonly mended: readonly number[]
  /** In `waiting`: how long to wait was our own choice, so good news may end it. */
  readonly mayHurry: boolean
}

/**
 * What can happen to a connection:
 *
 * - `lost`: the socket is gone
 * - `silent`: nothing was heard for too long, whatever the browser says of the socket
 * - `due`: the time has come that the last `timer` was set to
 * - `wake`: a sign that the network, or somebody who looks, is back
 * - `renew`: a new token is there
 */
export type Event = (typeof EVENTS)[number]

const EVENTS = ['connect', 'welcome', 'lost', 'silent', 'due', 'wake', 'renew', 'close'] as const

/** What more there is to know of an event. */
export interface Facts {
  /** What a socket was closed with. */
  readonly code: number
  /** How long the server wants to be left alone. */
  readonly retryAfterMs: number
  /** From 0 up to 1: decides within the bounds when to come back. */
  readonly random: number
}

/** What is to be done about it, and with what. */
export type Effect =
  /** Opens a socket; with 1, as a new session. */
  | readonly ['open', 0 | 1]
  /** Closes the socket with this code. */
  | readonly ['drop', typeof CLOSE.normal | typeof CLOSE.cut]
  /** Says what is followed, and what waits to be said. */
  | readonly ['resume']
  /** Asks the server for a sign of life, now. */
  | readonly ['probe']
  /** Lets `due` happen after so many milliseconds, unless the state is another by then. */
  | readonly ['timer', number]
  /** The server does not want this client back, for the reason of this close code. */
  | readonly ['refuse', number]

/** What the connection is then, and what is to be done, in this order. */
export type Step = readonly [machine: Machine, ...effects: Effect[]]

/** How long an attempt may take, from the token to the welcome: a slow phone gets there, a black hole is noticed. */
const CONNECT_MS = 15_000

/** A connection that has held for this long is a good one: its next loss is the first. */
const STABLE_MS = 10_000

/** The wait after the first failure is anything up to this; it doubles with each further one. */
const FIRST_WAIT_MS = 1_000

/** No wait is longer, so that nobody looks at an old view for more than half a minute after the server is back. */
const MAX_WAIT_MS = 30_000

/** How long to stay away at least from a server that finds this client too fast, where it does not say. */
const AWAY_MS = 10_000

/** Close codes by which a server says that it did not like what it heard: the same soon again is not what it needs. */
const DISLIKED = [1002, 1003, 1007, 1008, 1009, CLOSE.tooFast]

/** Stands among what was mended: good news has ended a wait. It does so once, or whoever cries it often waits never. */
const HURRIED = 0

/** A connection that nobody has asked for; with the means to get a new token, a bad one is no end. */
export function begin(canRenewToken: boolean): Machine {
  const mendable: number[] = canRenewToken ? [CLOSE.replaced, CLOSE.badToken] : [CLOSE.replaced]
  return { state: 'idle', failures: 0, mendable, mended: [], mayHurry: true }
}

type Rule = (machine: Machine, facts: Facts) => Step

const stay: Rule = machine => [machine]

const to = (machine: Machine, state: ConnectionState, ...effects: Effect[]): Step => [
  { ...machine, state },
  ...effects,
]

const open = (machine: Machine, newSession: 0 | 1): Step =>
  to(machine, 'connecting', ['open', newSession], ['timer', CONNECT_MS])

const connect: Rule = machine => open(machine, 0)

const hurry: Rule = machine =>
  machine.mayHurry ? open({ ...machine, mended: [...machine.mended, HURRIED] }, 0) : [machine]

const lost: Rule = (machine, { code, retryAfterMs, random }) => {
  const { mendable, mended, failures } = machine
  if (mendable.includes(code) && !mended.includes(code))
    return open({ ...machine, mended: [...mended, code] }, code === CLOSE.replaced ? 1 : 0)
  if (code >= 4400 && code < 4500 && code !== CLOSE.tooFast) return to(machine, 'suspended', ['refuse', code])
  const leastMs = Math.max(retryAfterMs, DISLIKED.includes(code) ? AWAY_MS : 0)
  const mayHurry = leastMs === 0 && !mended.includes(HURRIED)
  return [
    { ...machine, state: 'waiting', failures: failures + 1, mayHurry },
    // Full jitter: a thousand clients that were lost together come back spread over the whole wait.
    ['timer', leastMs + random * Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** failures)],
  ]
}

/** The socket is left, as one whose session comes back, before the rule is followed. */
const leaving =
  (rule: Rule): Rule =>
  (machine, facts) => {
    const [next, ...effects] = rule(machine, facts)
    return [next, ['drop', CLOSE.cut], ...effects]
  }

const cut = leaving(lost)

const close: Rule = machine => to(machine, 'closed', ['drop', CLOSE.normal])

const forgiven = (machine: Machine): Machine => ({ ...machine, failures: 0, mended: [] })

const welcome: Rule = machine => to(machine, 'open', ['resume'], ['timer', STABLE_MS])

const forgive: Rule = machine => [forgiven(machine)]

const retry: Rule = machine => open(forgiven(machine), 0)

const probe: Rule = machine => [machine, ['probe']]

const renew = leaving(connect)

type Row<Columns extends readonly unknown[]> = { readonly [Column in keyof Columns]: Rule }

/** What each event means in each state, in the order of `EVENTS`. One that is forgotten here does not compile. */
// biome-ignore format: a table
const RULES: Readonly<Record<ConnectionState, Row<typeof EVENTS>>> = {
  //          connect  welcome  lost  silent  due      wake   renew  close
  idle:       [connect, stay,    stay, stay,   stay,    stay,  stay,  close],
  connecting: [stay,    welcome, lost, cut,    cut,     stay,  stay,  close],
  open:       [stay,    stay,    lost, cut,    forgive, probe, renew, close],
  waiting:    [hurry,   stay,    stay, stay,   connect, hurry, stay,  close],
  suspended:  [retry,   stay,    stay, stay,   stay,    stay,  stay,  close],
  closed:     [stay,    stay,    stay, stay,   stay,    stay,  stay,  stay],
}

/** What follows from an event. Pure: whoever calls it keeps the result and does the effects, in their order. */
export function step(machine: Machine, event: Event, facts: Facts): Step {
  const rule = RULES[machine.state][EVENTS.indexOf(event)] ?? stay
  return rule(machine, facts)
}
