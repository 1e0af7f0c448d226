import { badToken, replaced, tooFast } from './close-codes.ts'

/**
 * State of the connection:
 *
 * - `idle`: nothing has needed a connection yet.
 * - `connecting`: from the start of an attempt to the server's `welcome`.
 * - `open`: the server has sent its `welcome`; requests are answered.
 * - `waiting`: the connection was lost or the attempt failed; the client connects again by itself after a delay.
 * - `refused`: the server refused this client. It does not connect again until `connect()` is called.
 * - `closed`: the application called `close()`. This is final.
 *
 * There is no state for "offline": `navigator.onLine` is often wrong, so an `online` event only triggers a check.
 */
export type ConnectionState = 'idle' | 'connecting' | 'open' | 'waiting' | 'refused' | 'closed'

/** What a client uses up by failing. It is restored when a connection has been stable. */
interface RetryBudget {
  /** Number of failed attempts and lost connections since the last stable connection. */
  readonly failures: number
  /** How many more attempts a close code allows, with another token or another session. */
  readonly retries: Readonly<Record<number, number>>
  /** Whether `wake` and `connect` may end the current wait early. Never for a wait that the server asked for. */
  readonly mayWake: boolean
}

/** The connection's state and its retry budget. */
export interface Machine extends RetryBudget {
  readonly state: ConnectionState
  /** The budget to restore when a connection has been stable. */
  readonly full: RetryBudget
}

/**
 * What can happen to a connection:
 *
 * - `connect`, `close`: the application asks for it.
 * - `welcome`: the server has accepted the connection.
 * - `lost`: the socket has closed or could not be opened; or it is of no use, whatever its state: silent for
 *   too long, sending invalid messages, or opened with a status that must be replaced.
 * - `timer`: the delay that the last step returned has passed.
 * - `wake`: the network or the user is back.
 */
export type Event = 'connect' | 'welcome' | 'lost' | 'timer' | 'wake' | 'close'

/** Further data of an event. */
export interface EventDetails {
  /** Close code of the socket. */
  readonly code: number
  /** Shortest delay, in ms, that the server asked for; 0 if it did not ask. */
  readonly retryAfterMs: number
  /** A random number from 0 up to 1, for the jitter. */
  readonly random: number
}

/**
 * What the caller must do:
 *
 * - `open`: open a socket; after close code 4409 with another session id.
 * - `resume`: send the subscriptions and the pending requests.
 * - `probe`: send a ping now.
 *
 * The caller also closes the socket whenever the state is neither `connecting` nor `open`, and before it
 * opens another.
 */
export type Effect = 'open' | 'resume' | 'probe'

/**
 * The next machine, the effect, and the delay in ms after which the caller dispatches `timer`, unless the
 * state changes first.
 */
export type Step = readonly [machine: Machine, effect?: Effect | undefined, timerMs?: number]

/**
 * Longest duration of one attempt, from fetching the token to the welcome. Slow mobile networks need less.
 * Together with {@link MAX_WAIT_MS} it must fit into the server's RESTART_GRACE_MS (e2e/fit.test.ts).
 */
export const CONNECT_MS = 10_000

/** A connection is stable when it has been open for this long: then the retry budget is restored. */
const STABLE_MS = 10_000

/**
 * Upper bound of the wait after the first failure; it doubles with each further one. It must fit into the server's
 * OFFLINE_GRACE_MS, so that a short loss of the network does not show the user as offline.
 */
export const FIRST_WAIT_MS = 1_000

/**
 * Upper bound of all waits: a client is back within the server's RESTART_GRACE_MS, however long the server
 * was away.
 */
export const MAX_WAIT_MS = 10_000

/** Shortest wait after a close code of {@link SLOW_DOWN_CODES}, where the server does not ask for a longer one. */
const SLOW_DOWN_MS = 10_000

/** Close codes for what the client sent: sending the same again at once would be refused again. */
const SLOW_DOWN_CODES = [1002, 1007, 1009, tooFast]

/** The machine of a new client. Close code 4401 allows `tokenRetries` more attempts, with another token. */
export function initialMachine(tokenRetries: number): Machine {
  const full = { failures: 0, retries: { [replaced]: 1, [badToken]: tokenRetries }, mayWake: true }
  return { state: 'idle', ...full, full }
}

type Rule = (machine: Machine, details: EventDetails) => Step

const connect = (machine: Machine): Step => [{ ...machine, state: 'connecting' }, 'open', CONNECT_MS]

const early: Rule = machine => (machine.mayWake ? connect({ ...machine, mayWake: false }) : [machine])

const retry: Rule = (machine, { code, retryAfterMs, random }) => {
  const { retries, failures } = machine
  const left = retries[code]
  if (left) return connect({ ...machine, retries: { ...retries, [code]: left - 1 } })
  const isTooMuch = SLOW_DOWN_CODES.includes(code)
  if (code >= 4400 && code < 4500 && !isTooMuch) return [{ ...machine, state: 'refused' }]
  const minWaitMs = Math.max(retryAfterMs, isTooMuch ? SLOW_DOWN_MS : 0)
  const mayWake = machine.mayWake && !minWaitMs
  return [
    { ...machine, state: 'waiting', failures: failures + 1, mayWake },
    undefined,
    // Full jitter: clients that lost their connections at the same moment come back spread over the whole wait.
    minWaitMs + random * Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** failures),
  ]
}

const close: Rule = machine => [{ ...machine, state: 'closed' }]

const stable: Rule = machine => [{ ...machine, ...machine.full }]

const welcome: Rule = machine => [{ ...machine, state: 'open' }, 'resume', STABLE_MS]

const restart: Rule = machine => connect({ ...machine, ...machine.full })

const probe: Rule = machine => [machine, 'probe']

/** What each event does in each state. An event that is not listed changes nothing. */
const RULES: Readonly<Record<ConnectionState, Readonly<Partial<Record<Event, Rule>>>>> = {
  idle: { connect, close },
  connecting: { welcome, lost: retry, timer: retry, close },
  open: { lost: retry, timer: stable, wake: probe, close },
  waiting: { connect: early, timer: connect, wake: early, close },
  refused: { connect: restart, close },
  closed: {},
}

/** Returns what follows from an event. Pure: the caller keeps the machine and carries out the effect. */
export function step(machine: Machine, event: Event, details: EventDetails): Step {
  const rule = RULES[machine.state][event]
  return rule ? rule(machine, details) : [machine]
}
