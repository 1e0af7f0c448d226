import type { Socket } from 'node:net'
import { vi } from 'vitest'
import { WebSocket } from 'ws'
import type { MemoryFeed } from '../../changes/memory-feed.ts'
import { newFeed } from '../../changes/testing/new-feed.ts'
import type { FactLog } from '../../cluster/log.ts'
import { createSingleLog } from '../../cluster/single.ts'
import { ALL_RIGHTS, type Grant } from '../../identity/grant.ts'
import type { Identified } from '../../identity/identity.ts'
import { Presence } from '../../presence/presence.ts'
import { AT_ONCE } from '../../presence/testing/options.ts'
import { newTracker } from '../../testing/new-tracker.ts'
import type { Tracker } from '../../tracker.ts'
import { type Caller, Connection, type ConnectionPorts } from '../connection.ts'
import { framesIn } from '../frames.ts'
import type { Inbox } from '../inbox.ts'
import { type LimitOptions, UNLIMITED } from '../limits.ts'
import { newPorts } from './new-ports.ts'

/** The wall clock when a world begins, in ms since the epoch. */
export const START = Date.UTC(2030, 0, 1)

/** After this time, in ms, everything that the hub and the shared answers have gathered is written. */
const FLUSHED_MS = 1_000

/** A message, as it was written. */
export type Written = Readonly<Record<string, unknown>>

/** The first byte of a text frame. */
const TEXT = 0x81

/** A grant of ann, with all rights. */
export const GRANT: Grant = {
  userId: 'ann',
  username: undefined,
  isNameFixed: false,
  expiresAt: undefined,
  rights: ALL_RIGHTS,
}

/** A connection without a socket, and what it writes. */
export class Client {
  readonly written: Written[] = []
  /** Whether the handshake response waits for the first messages. */
  isCorked = true
  connection!: Connection

  /** Sends requests, as one read. */
  send(...requests: object[]): void {
    for (const request of requests) this.connection.receive(JSON.stringify(request))
  }

  /** What was written since the last call, after all that is gathered has been written. */
  async taken(): Promise<Written[]> {
    await vi.advanceTimersByTimeAsync(FLUSHED_MS)
    return this.written.splice(0)
  }

  /** What was written since the last call, until the end of this tick: what waits for nothing. */
  async takenAtOnce(): Promise<Written[]> {
    await new Promise<void>(resolve => process.nextTick(resolve))
    return this.written.splice(0)
  }

  /** The types of these messages, with the error codes. */
  async types(): Promise<unknown[]> {
    return (await this.taken()).map(({ type, code }) => (type === 'error' ? code : type))
  }
}

/**
 * Connections without sockets, with everything behind them, on a clock that the test moves. The test must use fake
 * timers, because the hub and the shared answers gather for some ms of real time.
 */
export class World {
  readonly presence = new Presence({ ...AT_ONCE, maxKnown: 1_000 })
  readonly feed: MemoryFeed = newFeed(1_000)
  readonly tracker: Tracker
  readonly tooFast = new Set<Inbox>()
  readonly errors: unknown[] = []
  readonly logged: string[] = []
  /** What a new token gives, by its text. */
  readonly tokens = new Map<string, Identified | Promise<Identified>>()
  /** Since the start, in ms: on the monotonic clocks, and how much the wall clock has moved besides. */
  at = 0
  jumpedMs = 0
  readonly limits: LimitOptions
  readonly ports: ConnectionPorts
  #connections = 0

  constructor({ log = createSingleLog() as FactLog, limits = UNLIMITED as LimitOptions } = {}) {
    const { presence, feed } = this
    this.limits = limits
    const clock = {
      now: () => START + this.at + this.jumpedMs,
      awake: () => this.at,
      steady: () => this.at,
    }
    presence.restore([], START)
    this.tracker = newTracker({ presence, feed, clock, log })
    this.ports = newPorts(
      { presence, feed, tracker: this.tracker, clock },
      {
        log: {
          error: (_text, fields) => this.errors.push(fields?.['error']),
          limited: (_kind, text) => this.logged.push(text),
          info() {},
          debug() {},
          once() {},
        },
        limits,
        tooFast: this.tooFast,
        identity: {
          renew: token => this.tokens.get(token) ?? { state: 'refused', rule: 'key', text: 'wrong key' },
        },
        expiredGraceMs: 300_000,
      },
    )
    const { hub } = this.ports
    feed.listen({ changed: changes => hub.changed(changes) })
  }

  /** Opens a connection. */
  connect(grant: Partial<Grant> = {}, more: Partial<Caller> = {}): Client {
    const client = new Client()
    const webSocket = {
      readyState: WebSocket.OPEN,
      close: (code: number) => client.written.push({ type: `close ${code}` }),
      ping() {},
      pause() {},
      resume() {},
    }
    const write = (bytes: Buffer): boolean => {
      client.written.push(...messagesIn(bytes))
      return true
    }
    const uncork = () => {
      client.isCorked = false
    }
    const socket = { write, uncork, writableLength: 0, bytesWritten: 0 }
    const id = `c${++this.#connections}`
    const whole = { ...GRANT, ...grant }
    const caller: Caller = {
      version: 'v2',
      userId: whole.userId,
      grant: whole,
      sessionId: id,
      isNamed: false,
      connectionId: id,
      address: undefined,
      ...more,
    }
    client.connection = new Connection(this.ports, caller, webSocket as never, socket as unknown as Socket)
    client.connection.start(caller)
    return client
  }

  /** Lets time pass, in the steps of the ticker. */
  pass(ms: number): void {
    for (const until = this.at + ms; this.at < until; ) {
      this.at += Math.min(100, until - this.at)
      this.tracker.advance(START + this.at + this.jumpedMs, this.at)
      for (const inbox of this.tooFast) inbox.advance(this.at)
    }
  }
}

/** The messages in frames that the server has written. Pongs are none. */
function messagesIn(bytes: Buffer): Written[] {
  const texts = [...framesIn(bytes)].filter(({ frame }) => frame[0] === TEXT)
  return texts.map(({ payload }) => JSON.parse(payload.toString()))
}
