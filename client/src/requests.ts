import { PresenceError, refusal } from './errors.ts'
import type { Platform } from './platform.ts'
import { timer } from './timer.ts'
import type { Message, Request } from './wire.ts'

export interface Requests {
  /** Asks, now or as soon as there is a connection. Rejects with a {@link PresenceError}. */
  ask(request: Request): Promise<Message>
  /** The connection is open again. */
  resume(): void
  /** Gives a message to whoever waits for it, if anybody does. */
  receive(message: Message): boolean
  failAll(error: PresenceError): void
}

/**
 * Requests that wait for their replies. Those that a lost connection left without a reply are asked again on the next
 * one, in the same order: there is none among them that does harm when it is done twice.
 */
export function requests(platform: Platform, timeoutMs: number, say: (request: Request) => number): Requests {
  interface Waiting {
    /** The number of the request on this connection. */
    id: number
    readonly request: Request
    readonly resolve: (answer: Message) => void
    readonly reject: (error: PresenceError) => void
  }
  const waiting = new Set<Waiting>()

  return {
    ask(request) {
      const patience = timer(platform)
      let own: Waiting
      return new Promise<Message>((resolve, reject) => {
        own = { id: say(request), request, resolve, reject }
        waiting.add(own)
        patience.set(timeoutMs, () => reject(new PresenceError('timeout')))
      }).finally(() => {
        waiting.delete(own)
        patience.stop()
      })
    },
    resume() {
      for (const each of waiting) each.id = say(each.request)
    },
    receive(message) {
      const found = [...waiting].find(({ id }) => id === message.id)
      if (message.type === 'error') found?.reject(refusal(message))
      else found?.resolve(message)
      return !!found
    },
    failAll(error) {
      for (const { reject } of waiting) reject(error)
    },
  }
}
