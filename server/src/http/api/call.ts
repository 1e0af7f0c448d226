import type { CallName, InputOf } from '@who-is-online/protocol/api'
import type { ChangePage } from '../../changes/page.ts'
import type { ApiCaller } from './access.ts'

/** What a call answers: a status, and the JSON body if it has one. */
export interface CallAnswer {
  readonly status: number
  readonly json?: string
  /** Instead of a body: pages that are sent as events. */
  readonly pages?: AsyncIterable<ChangePage>
}

/** Who calls, and what that costs. */
export interface CallContext {
  readonly caller: ApiCaller
  /** Counts this request as some more. */
  readonly countMore: (requests: number) => void
  /** Is aborted when the client goes away. */
  readonly gone: AbortSignal
  /** The header `Last-Event-ID`. */
  readonly lastEventId: string | undefined
}

/** What each call of the catalogue does. @throws ApiFailure */
export type CallHandlers = {
  readonly [Name in CallName]: (
    input: InputOf<Name>,
    context: CallContext,
  ) => CallAnswer | Promise<CallAnswer>
}
