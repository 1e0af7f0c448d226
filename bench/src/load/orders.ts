import type { TokenKey } from './tokens.ts'
import type { WireFormatName } from './wire-format.ts'

/**
 * An order of the bench to the load generator. Orders run one at a time, and each is answered with one
 * `Count`.
 */
export type Order =
  | MakeTokensOrder
  | ConnectOrder
  | ChangesOrder
  | BurstsOrder
  | RequestsOrder
  | SubscribeOrder
  | SubscriberChangesOrder
  | BeginRequestsOrder
  | EndRequestsOrder
  | FloodOrder
  | NewcomersOrder
  | LeaseOrder
  | CallsOrder
  | PipelineOrder

/** Makes a token for each of the next listeners, which they then send when they connect. Counts nothing. */
export interface MakeTokensOrder {
  do: 'make tokens'
  listeners: number
  key: TokenKey
}

/** Connects clients. Counts the arrivals that clients receive. */
export interface ConnectOrder {
  do: 'connect'
  /** The number of additional clients that only listen. */
  listeners: number
  /** The number of additional clients that make changes and listen. */
  drivers: number
  /** How many connect at the same time. */
  atOnce: number
  /**
   * Whether the server broadcasts arrivals; if not, no client may receive any. In a cluster, `in groups`: users that
   * come in the same entry of the log know of each other from the beginning, so the arrivals can't be counted.
   */
  broadcastsArrivals: boolean | 'in groups'
  /** Whether listeners connect as further tabs of the first driver, which causes no change. */
  asTabs?: boolean
  /** The port to connect to, if it is not the one of the target: another node of the same cluster. */
  port?: number
}

/** Drivers change their status at a steady rate. Counts the changes that clients receive. */
export interface ChangesOrder {
  do: 'changes'
  perSecond: number
  seconds: number
  /**
   * What a driver waits for before its next change: the reply, or until it receives its own change. A cluster replies
   * before it tells others, and tells only the last of several changes that a user makes meanwhile. Default: the reply.
   */
  waitFor?: 'reply' | 'own change'
}

/** Drivers change their status all at once, and again when all clients have received the changes. */
export interface BurstsOrder {
  do: 'bursts'
  /** The number of changes in a burst; at most the number of drivers. */
  size: number
  seconds: number
  /** Maximum number of bursts per second. Default: as many as possible. */
  perSecond?: number
}

/** Every listener sends batches of requests, each request with its own `id`. Counts the replies. */
export interface RequestsOrder {
  do: 'requests'
  /** The number of requests that a client sends in one write before it waits for all replies. */
  pipelined: number
  seconds: number
}

/** Every listener, a v2 client, subscribes to users. Counts the listeners that received their state. */
export interface SubscribeOrder {
  do: 'subscribe'
  /** All users, or a part of the list of each listener: of `of` users, from index `from` to before `to`. */
  selection: 'all' | { of: number; from: number; to: number }
  /** How many listeners wait for their state at the same time. */
  atOnce: number
}

/** Some subscribers change their status at a steady rate. Counts the diffs. */
export interface SubscriberChangesOrder {
  do: 'subscriber changes'
  perSecond: number
  seconds: number
  /** How many listeners change their status, in turns. */
  movers: number
  /** The statuses that each of them sets in turn. */
  statuses: string[]
}

/** Starts background requests: drivers send requests in turns at a steady rate, each after its last reply. */
export interface BeginRequestsOrder {
  do: 'begin requests'
  perSecond: number
}

/** Ends the background requests. Counts the replies. */
export interface EndRequestsOrder {
  do: 'end requests'
  /** How many changes each driver must have received meanwhile. */
  arrivals: number
}

/** What a flooding connection sends, as fast as the server reads it. */
export type FloodKind = 'tiny' | 'pongs' | 'metrics' | 'keys' | ApiFlood

/** Calls of the HTTP API for a flood: `GET /users/{userId}`, and a query of 10,000 users. */
export type ApiFlood = 'user' | 'query'

/** Floods the server over some connections, which connect again whenever the server ends them. */
export interface FloodOrder {
  do: 'flood'
  kind: FloodKind
  connections: number
  seconds: number
}

/** New clients connect at a steady rate. Counts those that got their welcome; `slowestMs` is the longest wait. */
export interface NewcomersOrder {
  do: 'newcomers'
  perSecond: number
  seconds: number
}

/** A kind of call of the HTTP API, about known users: the first `of` of them. */
export type ApiCall =
  | { name: 'query'; ids: number; of: number; detail?: boolean }
  | { name: 'user'; of: number }
  /** The pages of the list of users, one after the other. */
  | { name: 'list'; limit: number; status?: string }
  /** Pages of the log of changes. */
  | { name: 'changes'; limit: number }
  /** Pages of the full state that a reader of the log gets if its place is not known any more. */
  | { name: 'state'; limit: number }

/** Leases a session for each of the first known users, with the HTTP API. Counts the answers. */
export interface LeaseOrder {
  do: 'lease'
  users: number
}

/** Sends calls to the HTTP API on one connection, each after the answer to the last one. Counts the answers. */
export interface CallsOrder {
  do: 'calls'
  call: ApiCall
  seconds: number
  /** Default: as many as possible. */
  perSecond?: number
}

/** Keeps calls waiting on one connection, as fast as the server answers. Counts the answers, also those that refuse. */
export interface PipelineOrder {
  do: 'pipeline'
  call: ApiCall
  /** How many calls wait for their answers at the same time. */
  atOnce: number
  seconds: number
}

/** The result of an order. */
export interface Count {
  /** The number of received and of expected frames. */
  counted: number
  expected: number
  /** With subscriptions: the number of users in those frames. */
  items?: number
  bytes: number
  /** With a flood: the bytes that were sent. `bytes` are the received ones. */
  sentBytes?: number
  /** With newcomers: the longest time from the first packet to the welcome, in ms. */
  slowestMs?: number
  /** The time from the first frame sent to the last expected frame received. */
  seconds: number
  /** The time from sending a change to its arrival at a sampled client, or from a request to its reply. */
  latencyMs?: Latency
  /** The same at clients of other nodes than the one that takes the changes. */
  elsewhereMs?: Latency
  /** The share of the planned changes that were made; less than 1 if all drivers waited for replies. */
  carried?: number
  /** CPU time of the load generator, as a share of one core. */
  busy: number
  /** Errors; with an entry here, the count is invalid. */
  invalid: string[]
}

/** Percentiles of a latency, in ms. */
export interface Latency {
  p50: number
  p99: number
}

/** A `Count` without the CPU time of the load generator. */
export type BareCount = Omit<Count, 'busy'>

/** The answer of the load generator to an order. */
export type Answer = { count: Count } | { failed: string }

/** The argument of the load generator process. */
export interface Target {
  port: number
  wireFormat: WireFormatName
}
