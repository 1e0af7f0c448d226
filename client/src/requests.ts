import { PresenceError, refusal } from './errors.ts'
import type { Platform } from './platform.ts'
import { timer } from './timer.ts'
import type { Message, Request, Said } from './wire.ts'

export interface Requests {
  /** A number that no request has had. */
  nextId(): number
  /** Asks, now or as soon as there is a connection. Rejects with a {@link PresenceError}. */
  ask(request: Request): Promise<Message>
  /** The connection is open again. */
  resume(): void
  /** Gives a message to whoever waits for it, if anybody does. */
  receive(message: Message): boolean
  failAll(error: PresenceError): void
}

/**
 * Requests that wait for their replies, known by their numbers. Those that a lost connection left without a reply are
 * asked again on the next one, in the same order: there is none among them that does harm when it is done twice.
 */
export function requests(platform: Platform, timeoutMs: number, say: (said: Said) => void): Requests {
  interface Waiting {
    readonly said: Said
    readonly resolve: (answer: Message) => void
    readonly reject: (error: PresenceError) => void
  }
  const waiting = new Map<unknown, Waiting>()
  let lastId = 0
  const nextId = (): number => ++lastId

  return {
    nextId,
    ask(request) {
      const id = nextId()
      const said = { ...request, id }
      const patience = timer(platform)
      const answer = new Promise<Message>((resolve, reject) => {
        waiting.set(id, { said, resolve, reject })
        patience.set(timeoutMs, () => reject(new PresenceError('timeout')))
      })
      say(said)
      return answer.finally(() => {
        waiting.delete(id)
        patience.stop()
      })
    },
    resume() {
      for (const { said } of waiting.values()) say(said)
    },
    receive(message) {
      const found = waiting.get(message.id)
      if (!found) return false
      if (message.type === 'error') found.reject(refusal(message))
      else found.resolve(message)
      return true
    },
    failAll(error) {
      for (const { reject } of waiting.values()) reject(error)
    },
  }
}
