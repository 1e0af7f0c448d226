import { PresenceError, refusal } from './errors.ts'
import { bytes } from './ids.ts'
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
export function requests(
  platform: Platform,
  timeoutMs: number,
  say: (said: Said) => void,
  maxBytes: () => number,
): Requests {
  interface Waiting {
    readonly said: Said
    readonly resolve: (answer: Message) => void
    readonly reject: (error: PresenceError) => void
  }
  const waiting = new Map<unknown, Waiting>()
  let lastId = 0
  const nextId = (): number => ++lastId

  /** A server closes on what is too large, and would be asked the same again: such a request is never sent. */
  function send({ said, reject }: Waiting): void {
    if (bytes(JSON.stringify(said)) > maxBytes()) reject(new PresenceError('too_large'))
    else say(said)
  }

  return {
    nextId,
    ask(request) {
      const id = nextId()
      const patience = timer(platform)
      const answer = new Promise<Message>((resolve, reject) => {
        const own = { said: { ...request, id }, resolve, reject }
        waiting.set(id, own)
        patience.set(timeoutMs, () => reject(new PresenceError('timeout')))
        send(own)
      })
      return answer.finally(() => {
        waiting.delete(id)
        patience.stop()
      })
    },
    resume() {
      for (const each of waiting.values()) send(each)
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
