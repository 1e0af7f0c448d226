import { createClient, type PresenceClient } from '@who-is-online/client'
import { WebSocket } from 'ws'

/** An answer to a subscription that went on from a place. */
export interface Resume {
  readonly at: number
  readonly since: { readonly epoch: string; readonly seq: number }
  readonly recovered: boolean
}

interface Sent {
  readonly type: string
  readonly since?: Resume['since']
  readonly id?: number
}

interface Received {
  readonly type: string
  readonly id?: number
  readonly last?: boolean
  readonly recovered?: boolean
}

/** Clients of the client library, each subscribed to some users, and how each of their resumes was answered. */
export class SdkCrowd {
  readonly clients: readonly PresenceClient[]
  readonly userIds: readonly string[]
  readonly resumes: Resume[] = []

  /**
   * @param url where they connect, as a balancer
   * @param watched the users of each client by its index
   */
  constructor(url: string, count: number, watched: (index: number) => readonly string[]) {
    const { resumes } = this
    /** The class of `ws`, which notes how the server answers a subscription with a place. */
    class NotingWebSocket extends WebSocket {
      readonly #asked = new Map<number, Resume['since']>()

      constructor(address: string, protocols: string[]) {
        super(address, protocols)
        this.on('message', data => {
          const { type, id, last, recovered } = JSON.parse(`${data}`) as Received
          if (type !== 'presence_state' || !last || id === undefined) return
          const since = this.#asked.get(id)
          if (since) resumes.push({ at: performance.now(), since, recovered: recovered === true })
        })
      }

      override send(text: string): void {
        const { type, since, id } = JSON.parse(text) as Sent
        if (type === 'subscribe' && since && id !== undefined) this.#asked.set(id, since)
        super.send(text)
      }
    }
    this.userIds = Array.from({ length: count }, (_, i) => `sdk-${i}`)
    this.clients = this.userIds.map((userId, i) => {
      const client = createClient({ url, userId, idleAfterMs: false, WebSocket: NotingWebSocket })
      client.subscribe(watched(i))
      return client
    })
  }

  /** Whether all are connected and up to date. */
  get isLive(): boolean {
    return this.clients.every(
      ({ connectionStatus, freshness }) => connectionStatus === 'open' && freshness === 'live',
    )
  }

  /** Which users a client shows otherwise than they are. */
  differences(statusOf: (userId: string) => string): string[] {
    return this.clients.flatMap((client, i) =>
      client
        .users()
        .filter(({ userId, status }) => status !== statusOf(userId))
        .map(({ userId, status }) => `sdk-${i} shows ${userId} as ${status}, is ${statusOf(userId)}`),
    )
  }

  close(): void {
    for (const client of this.clients) client.close()
  }
}
