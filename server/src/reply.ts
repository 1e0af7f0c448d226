import type { ClientMessage, ServerMessage } from '@who-is-online/protocol/catalogue'

/** What a client wants the reply to its request to be known by. */
export type RequestId = string | number | undefined

/** A request of one type. */
export type Request<Type extends ClientMessage['type']> = Extract<ClientMessage, { type: Type }>

type ErrorMessage = Extract<ServerMessage, { type: 'error' }>

export type ErrorCode = NonNullable<ErrorMessage['code']>

/** Why a request was refused. */
export interface Refused {
  readonly code: ErrorCode
  /** For the developer who reads it: what was wrong and what is expected. */
  readonly text: string
  readonly id?: RequestId
  /** After how many ms the same request may succeed. */
  readonly retryAfterMs?: number
  /** The subscriptions that have ended. */
  readonly ended?: ErrorMessage['ended']
}

/** An answer that many clients ask for: built after they asked, and once for all who ask within a window. */
export interface SharedAnswer {
  /** Returns the message as JSON. */
  build(): string
}

/** The answer to a request, as a value: the connection that asked acts on it. */
export type Reply =
  | { readonly kind: 'message'; readonly message: ServerMessage }
  | { readonly kind: 'shared'; readonly answer: SharedAnswer; readonly id: RequestId }
  /**
   * Sent when `placed` resolves, which never rejects: when what the request has changed is visible everywhere. Later
   * requests of the connection wait for that, for a limited time.
   */
  | { readonly kind: 'placed'; readonly placed: Promise<unknown>; readonly message: ServerMessage }
  | { readonly kind: 'refused'; readonly refused: Refused }
  | { readonly kind: 'none' }

export const NO_REPLY: Reply = { kind: 'none' }
