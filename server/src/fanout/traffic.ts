import { Durations } from '../durations.ts'

/** Counts what all connections together are sent, for the metrics. */
export class Traffic {
  /**
   * How many deliveries there were to v1 and to v2 connections: the changes of one window, or those that a slow client
   * has missed, to one connection.
   */
  deliveries = { v1: 0, v2: 0 }
  /** How many writes to sockets there were, and of how many bytes, after compression, of all messages. */
  writes = 0
  bytes = 0
  /** How long the first change of each window waited until the window was flushed. */
  readonly windows = new Durations()
  /** How long each flush took the event loop. */
  readonly flushes = new Durations()

  /** Counts a write to a socket. */
  wrote(bytes: number): void {
    this.writes++
    this.bytes += bytes
  }
}
