import { CLOSE } from './wire.ts'

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
  /** Close codes after which this client may still come back, changed, before the connection has held again. */
  readonly chances: readonly number[]
  /** The chances of a connection that has held. */
  readonly allChances: readonly number[]
  /** In `waiting`: how long to wait was our own choice, so good news may end it. */
  readonly mayHurry: boolean
}

/** What can happen to a connection. */
export type Event =
  | 'connect'
  | 'welcome'
  /** The socket is gone. */
  | 'lost'
  /** Nothing was heard for too long, whatever the browser says of the socket. */
  | 'silent'
  /** The time has come that the last `timer` was set to. */
  | 'due'
  /** A sign that the network, or somebody who looks, is back. */
  | 'wake'
  /** A new token is there. */
  | 'renew'
  | 'close'

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

/** Whoever was too fast stays away for this long at least. */
const TOO_FAST_WAIT_MS = 10_000

/** A connection that nobody has asked for; with the means to get a new token, a bad one is no end. */
export function begin(canRenewToken: boolean): Machine {
  const allChances: number[] = canRenewToken ? [CLOSE.replaced, CLOSE.badToken] : [CLOSE.replaced]
  return { state: 'idle', failures: 0, chances: allChances, allChances, mayHurry: true }
}

type Rule = (machine: Machine, facts: Facts) => Step

const stay: Rule = machine => [machine]

const open = (machine: Machine, newSession: 0 | 1): Step => [
  { ...machine, state: 'connecting' },
  ['open', newSession],
  ['timer', CONNECT_MS],
]

const connect: Rule = machine => open(machine, 0)

const hurry: Rule = machine => (machine.mayHurry ? open(machine, 0) : [machine])

const lost: Rule = (machine, { code, retryAfterMs, random }) => {
  const { chances, failures } = machine
  if (chances.includes(code)) {
    const left = chances.filter(chance => chance !== code)
    return open({ ...machine, chances: left }, code === CLOSE.replaced ? 1 : 0)
  }
  const isTooFast = code === CLOSE.tooFast
  if (code >= 4400 && code < 4500 && !isTooFast) return [{ ...machine, state: 'suspended' }, ['refuse', code]]
  const least = Math.max(retryAfterMs, isTooFast ? TOO_FAST_WAIT_MS : 0)
  return [
    { ...machine, state: 'waiting', failures: failures + 1, mayHurry: least === 0 },
    // Full jitter: a thousand clients that were lost together come back spread over the whole wait.
    ['timer', least + random * Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** failures)],
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

const close: Rule = machine => [{ ...machine, state: 'closed' }, ['drop', CLOSE.normal]]

const forgiven = (machine: Machine): Machine => ({ ...machine, failures: 0, chances: machine.allChances })

/** What each event means in each state. A state or an event that is forgotten here does not compile. */
const RULES: Readonly<Record<ConnectionState, Readonly<Record<Event, Rule>>>> = {
  idle: {
    connect,
    welcome: stay,
    lost: stay,
    silent: stay,
    due: stay,
    wake: stay,
    renew: stay,
    close,
  },
  connecting: {
    connect: stay,
    welcome: machine => [{ ...machine, state: 'open' }, ['resume'], ['timer', STABLE_MS]],
    lost,
    silent: cut,
    due: cut,
    wake: stay,
    renew: stay,
    close,
  },
  open: {
    connect: stay,
    welcome: stay,
    lost,
    silent: cut,
    due: machine => [forgiven(machine)],
    wake: machine => [machine, ['probe']],
    renew: leaving(connect),
    close,
  },
  waiting: {
    connect: hurry,
    welcome: stay,
    lost: stay,
    silent: stay,
    due: connect,
    wake: hurry,
    renew: stay,
    close,
  },
  suspended: {
    connect: machine => open(forgiven(machine), 0),
    welcome: stay,
    lost: stay,
    silent: stay,
    due: stay,
    wake: stay,
    renew: stay,
    close,
  },
  closed: {
    connect: stay,
    welcome: stay,
    lost: stay,
    silent: stay,
    due: stay,
    wake: stay,
    renew: stay,
    close: stay,
  },
}

/** What follows from an event. Pure: whoever calls it keeps the result and does the effects, in their order. */
export function step(machine: Machine, event: Event, facts: Facts): Step {
  return RULES[machine.state][event](machine, facts)
}
