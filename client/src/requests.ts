import { PresenceError } from './errors.ts'
import type { Platform } from './platform.ts'
import type { Message, Refusal, Request, Said } from './wire.ts'

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
    readonly settle: (answer: Message | PresenceError) => void
  }
  const waiting = new Map<unknown, Waiting>()
  let lastId = 0
  const nextId = (): number => ++lastId

  return {
    nextId,
    ask: request =>
      new Promise((resolve, reject) => {
        const id = nextId()
        const said = { ...request, id }
        const settle = (answer: Message | PresenceError): void => {
          platform.clearTimeout(patience)
          waiting.delete(id)
          if (answer instanceof PresenceError) reject(answer)
          else resolve(answer)
        }
        const patience = platform.setTimeout(
          () => settle(new PresenceError('timeout', `no answer to ${request.type}`)),
          timeoutMs,
        )
        waiting.set(id, { said, settle })
        say(said)
      }),
    resume() {
      for (const { said } of waiting.values()) say(said)
    },
    receive(message) {
      const found = 'id' in message && waiting.get(message.id)
      if (found) found.settle(message.type === 'error' ? refusal(message) : message)
      return Boolean(found)
    },
    failAll(error) {
      for (const { settle } of [...waiting.values()]) settle(error)
    },
  }
}

/** What the server said no with, as an error. */
export function refusal({ code, message, retryAfterMs }: Refusal): PresenceError {
  return new PresenceError(code, message, retryAfterMs)
}
