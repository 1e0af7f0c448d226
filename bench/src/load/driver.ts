import type { Client } from './client.ts'

/** A user who switches between offline and online. */
export class Driver {
  readonly client: Client
  /** When each change of the current order was sent, in ms of `performance.now()`. */
  issuedAt: number[] = []
  readonly #frames: { offline: Buffer; online: Buffer }
  #online = true

  constructor(client: Client) {
    this.client = client
    this.#frames = {
      offline: client.prepare('{"type":"set_status","status":"offline"}'),
      online: client.prepare('{"type":"set_status","status":"online"}'),
    }
    client.readPayloads()
  }

  /** Sets the current status again: the server replies, and no other client receives a change. */
  ask(): void {
    this.client.write(this.#online ? this.#frames.online : this.#frames.offline)
  }

  /**
   * Makes the next change. Callers wait for its reply or its arrival before the next one, so queues stay
   * limited.
   */
  change(): void {
    this.#online = !this.#online
    this.issuedAt.push(performance.now())
    this.client.write(this.#online ? this.#frames.online : this.#frames.offline)
  }
}
