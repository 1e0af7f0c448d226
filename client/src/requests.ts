import type { MyStatus } from './choice.ts'
import { PresenceError, refusal } from './errors.ts'
import type { Platform } from './platform.ts'
import { timer } from './timer.ts'
import type { Message, Request } from './wire.ts'

export interface Requests {
  /** The last choice that was asked for, until the server has answered it. */
  choice(): MyStatus | undefined
  /** Says that choice again. */
  sayChoice(): void
  /** Says it no more: this message, which tells of a newer one, is the answer. */
  dropChoice(message: Message): void
  /** Asks, now or as soon as there is a connection. Rejects with a {@link PresenceError}. */
  ask(request: Request): Promise<Message>
  /** The connection is open again. */
  resume(): void
  /** Gives a message to whoever entry for it, if anybody does. */
  receive(message: Message): boolean
  failAll(error: PresenceError): void
}

/**
 * Requests that wait for their replies. Those that a lost connection left without a reply are sent again on the next
 * one, in the same order: none of them does harm when it is done twice.
 *
 * Of several choices only the last is sent again, when the server has told which one it has: its answer settles the
 * promises of those before it. It is kept when its own promise has timed out, because a user who hid must stay hidden.
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
  /** Until it is answered. Nobody entry for it any more once it has timed out. */
  let choice: Waiting | undefined

  const isChoice = ({ type }: Request): boolean => type === 'set_status'

  function sayChoice(): void {
    if (choice) choice.id = say(choice.request)
  }

  const all: Requests = {
    choice: () => choice?.request as MyStatus | undefined,
    sayChoice,
    dropChoice: message => all.receive({ ...message, id: choice?.id }),
    ask(request) {
      const patience = timer(platform)
      let entry: Waiting
      return new Promise<Message>((resolve, reject) => {
        entry = { id: say(request), request, resolve, reject }
        waiting.add(entry)
        if (isChoice(request)) choice = entry
        patience.set(timeoutMs, () => reject(new PresenceError('timeout')))
      }).finally(() => {
        waiting.delete(entry)
        patience.stop()
      })
    },
    resume() {
      for (const each of waiting) if (!isChoice(each.request)) each.id = say(each.request)
    },
    receive(message) {
      const isLastChoice = !!choice && choice.id === message.id
      const found = [...waiting].filter(
        ({ id, request }) => id === message.id || (isLastChoice && isChoice(request)),
      )
      // One that timed out and comes too fast now is sent again with all else.
      const isKept = found.length === 0 && message.type === 'error' && message.code === 'too_fast'
      if (isLastChoice && !isKept) choice = undefined
      for (const { resolve, reject } of found) {
        if (message.type === 'error') reject(refusal(message))
        else resolve(message)
      }
      return found.length > 0
    },
    failAll(error) {
      choice = undefined
      for (const { reject } of waiting) reject(error)
    },
  }
  return all
}
