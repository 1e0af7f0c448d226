import type { Client } from './client.ts'

/** A user who appears offline and online again. */
export class Driver {
  readonly client: Client
  /** When each change of the current order left, in milliseconds of `performance.now()`. */
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

  /** Sets the status that is already set: the server replies and tells nobody else. */
  ask(): void {
    this.client.write(this.#online ? this.#frames.online : this.#frames.offline)
  }

  /** Makes the next change. Callers wait for its reply or its arrival before the one after, so queues stay bounded. */
  change(): void {
    this.#online = !this.#online
    this.issuedAt.push(performance.now())
    this.client.write(this.#online ? this.#frames.online : this.#frames.offline)
  }
}
