import type { DialectName } from './dialect.ts'

/** What the bench tells the load generator to do; one at a time, each is answered with one `Count`. */
export type Order =
  | ConnectOrder
  | ChangesOrder
  | BurstsOrder
  | RequestsOrder
  | FollowOrder
  | StirOrder
  | AskOrder
  | AskedOrder

/** Clients connect and stay. The arrivals that they receive are counted. */
export interface ConnectOrder {
  do: 'connect'
  /** Clients that only listen, beside those connected already. */
  listeners: number
  /** Clients that make changes (and listen too). */
  drivers: number
  /** How many are on their way at the same time. */
  atOnce: number
  /** Whether the server tells everybody of arrivals; if not, none may come. */
  told: boolean
  /** Whether listeners come as further tabs of the first driver, which is no news to anybody. */
  asTabs?: boolean
}

/** Drivers change their status at an even rate; counted are the changes that reach clients. */
export interface ChangesOrder {
  do: 'changes'
  perSecond: number
  seconds: number
}

/** Drivers change their status all at once, and again when everybody has heard. */
export interface BurstsOrder {
  do: 'bursts'
  /** Changes in one burst; at most the number of drivers. */
  size: number
  seconds: number
  /** The most bursts a second; unset, as many as possible. */
  perSecond?: number
}

/** Every listener keeps asking, in batches; counted are the replies. */
export interface RequestsOrder {
  do: 'requests'
  /** Requests a client sends in one write before it waits for all their replies. */
  pipelined: number
  seconds: number
}

/** Every listener, a client of v2, follows users and is told how they are. */
export interface FollowOrder {
  do: 'follow'
  /** Everybody, or of so many users those from one place in the listener's list to before another. */
  whom: 'all' | { of: number; from: number; to: number }
  /** How many wait for their state at the same time. */
  atOnce: number
}

/** Of those who follow, some change their status at an even rate; counted are the diffs. */
export interface StirOrder {
  do: 'stir'
  perSecond: number
  seconds: number
  /** How many of the listeners change, taking turns. */
  movers: number
  /** What each changes to, one after the other. */
  statuses: string[]
}

/** Drivers take turns asking at an even rate from now on, each when its last reply has come. */
export interface AskOrder {
  do: 'ask'
  perSecond: number
}

/** They ask no more; counted are their replies. */
export interface AskedOrder {
  do: 'asked'
  /** How many changes each of them has to have heard of meanwhile. */
  heard: number
}

/** What the load generator saw while it carried out one order. */
export interface Count {
  /** Frames that came, and how many had to come. */
  counted: number
  expected: number
  /** Where clients follow: the users in those frames. */
  items?: number
  bytes: number
  /** From the first frame sent to the last expected frame received. */
  seconds: number
  /** From a change leaving its driver to its arrival at a sampled client; or from a question to its reply. */
  latencyMs?: Latency
  /** Share of the planned changes that were made; less than 1 when every driver still waited for a reply. */
  carried?: number
  /** CPU the load generator used, as a share of one core. */
  busy: number
  /** What was wrong; a count with an entry here proves nothing. */
  invalid: string[]
}

export interface Latency {
  p50: number
  p99: number
}

/** A `Count` before the load generator adds its own CPU. */
export type BareCount = Omit<Count, 'busy'>

export type Answer = { count: Count } | { failed: string }

/** The arguments of the load generator's process. */
export interface Target {
  port: number
  dialect: DialectName
}
