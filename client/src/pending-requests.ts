import type { MyStatus } from './choice.ts'
import { errorFrom, PresenceError } from './errors.ts'
import type { ConnectionState } from './machine.ts'
import type { Platform } from './platform.ts'
import { timer } from './timer.ts'
import type { Message, Request } from './wire.ts'

/** Why a `set_status` has no reply while there is no connection. */
const LATER = 'not connected: the status is sent with the next connection'

/** Requests that wait for their replies. */
export interface PendingRequests {
  /** The newest `set_status` that the server has not answered. */
  choice(): MyStatus | undefined
  /** Sends that request again. */
  sendChoice(): void
  /** Settles that request with `message`, which tells of a newer choice, without sending it again. */
  settleChoice(message: Message): void
  /**
   * Sends a request, now or with the next connection. Resolves with the reply; rejects with a {@link
   * PresenceError}: the server's refusal, `timeout`, or the error of {@link PendingRequests.close}.
   */
  request(request: Request): Promise<Message>
  /** Sends all requests again, except `set_status`. */
  resend(): void
  /** Settles the request that a message replies to. Returns whether there is one. */
  receive(message: Message): boolean
  /** Rejects all requests with an error. */
  close(error: PresenceError): void
}

/**
 * Makes the list. A request rejects with `timeout` after `timeoutMs`. Requests that a lost connection left
 * without a reply are sent again on the next one, in the same order: doing one of them twice does no harm.
 * `state` returns the state of the connection.
 *
 * Of several `set_status` requests only the newest is sent again, after the server has told which choice it
 * has; its reply settles the older ones too. It is kept when its own promise has timed out: a user who hid
 * must stay hidden.
 */
export function pendingRequests(
  platform: Platform,
  timeoutMs: number,
  send: (request: Request) => number,
  state: () => ConnectionState,
): PendingRequests {
  interface Pending {
    /** The request's `id` on the current connection. */
    id: number
    readonly request: Request
    readonly resolve: (reply: Message) => void
    readonly reject: (error: PresenceError) => void
  }
  const pending = new Set<Pending>()
  /** The newest `set_status` until it is answered, also after its promise has timed out. */
  let choice: Pending | undefined

  const isChoice = ({ type }: Request): boolean => type === 'set_status'

  function sendChoice(): void {
    if (choice) choice.id = send(choice.request)
  }

  const all: PendingRequests = {
    choice: () => choice?.request as MyStatus | undefined,
    sendChoice,
    settleChoice: message => all.receive({ ...message, id: choice?.id }),
    request(request) {
      const timeout = timer(platform)
      let entry: Pending
      return new Promise<Message>((resolve, reject) => {
        entry = { id: send(request), request, resolve, reject }
        pending.add(entry)
        if (isChoice(request)) choice = entry
        timeout.set(timeoutMs, () =>
          reject(
            new PresenceError(
              'timeout',
              choice === entry && state() !== 'open' ? LATER : `no reply in ${timeoutMs} ms`,
            ),
          ),
        )
      }).finally(() => {
        pending.delete(entry)
        timeout.stop()
      })
    },
    resend() {
      for (const each of pending) if (!isChoice(each.request)) each.id = send(each.request)
    },
    receive(message) {
      const isNewestChoice = !!choice && choice.id === message.id
      const answered = [...pending].filter(
        ({ id, request }) => id === message.id || (isNewestChoice && isChoice(request)),
      )
      // A choice whose promise has timed out, and that is now refused as too fast, is sent again later.
      const isKept = !answered.length && message.type === 'error' && message.code === 'too_fast'
      if (isNewestChoice && !isKept) choice = undefined
      for (const { resolve, reject } of answered) {
        if (message.type === 'error') reject(errorFrom(message))
        else resolve(message)
      }
      return answered.length > 0
    },
    close(error) {
      choice = undefined
      for (const { reject } of pending) reject(error)
    },
  }
  return all
}
