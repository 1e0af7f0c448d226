import { FakeChoices } from './choices.fake.ts'
import type { ManualClock } from './clock.fake.ts'
import { type Conditions, type ConnectionHost, FakeConnection } from './connection.fake.ts'
import type { WebSocketConstructor, WebSocketLike } from './platform.ts'
import { FakeUsers } from './users.fake.ts'
import type { SentRequest } from './wire.ts'

/**
 * A server that speaks protocol v2 as docs/protocol-v2.md describes it, without sockets and on a manual
 * clock: messages arrive late, in order, or never, and each side learns at another time that a connection is
 * closed.
 */
export class FakeServer implements ConnectionHost {
  readonly clock: ManualClock
  /** Decides about delays and failures. Tests may replace it. */
  random: () => number
  readonly conditions: Conditions = {
    maxDelayMs: 0,
    refused: 0,
    unanswered: 0,
    tooFast: 0,
    refusal: 'too_fast',
  }
  readonly connections = new Set<FakeConnection>()
  readonly openSockets = new Set<FakeConnection>()
  readonly users: FakeUsers
  readonly choices: FakeChoices
  /** How many attempts to connect there were. */
  attempts = 0
  /** How many connections were closed with 4409. */
  replaced = 0
  /** The arguments of each attempt. */
  readonly urls: string[] = []
  readonly protocols: string[][] = []
  readonly received: SentRequest[] = []
  onRequest: (request: SentRequest) => void = () => {}
  checkToken: ConnectionHost['checkToken'] = () => undefined
  refusedCode: number | undefined
  refusedMessage: string | undefined
  expiredGraceMs = Number.POSITIVE_INFINITY

  constructor(clock: ManualClock, random: () => number = () => 0) {
    this.clock = clock
    this.random = random
    this.choices = new FakeChoices(clock, this.connections)
    this.users = new FakeUsers(
      clock,
      () => this.random(),
      () => {
        for (const connection of this.connections) connection.feed.catchUp()
      },
    )
  }

  /** The WebSocket class for a client of this server. */
  get WebSocket(): WebSocketConstructor {
    const server = this
    return class implements WebSocketLike {
      onmessage: WebSocketLike['onmessage'] = null
      onclose: WebSocketLike['onclose'] = null
      onerror: WebSocketLike['onerror'] = null
      readonly #connection: FakeConnection

      constructor(url: string, protocols: string[]) {
        server.urls.push(url)
        server.protocols.push(protocols)
        this.#connection = new FakeConnection(
          server,
          this,
          new URL(url, 'ws://fake'),
          protocols.find(each => each.startsWith('bearer.'))?.slice('bearer.'.length),
        )
      }

      send(text: string): void {
        this.#connection.fromClient(text)
      }

      close(code?: number): void {
        this.#connection.closedByClient(code ?? 1005)
      }
    }
  }

  /** Restarts the server: another epoch, and all connections are closed. */
  restart(): void {
    this.users.restart()
    for (const connection of [...this.connections]) connection.close(4503, 50)
  }
}
