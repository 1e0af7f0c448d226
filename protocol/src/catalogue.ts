import type { Static, TObject } from 'typebox'
import type { Entry, RequestEntry, user } from './fields.ts'
import type { Json } from './json.ts'
import * as v1 from './v1.ts'
import * as v2 from './v2.ts'

/**
 * The protocol version of a connection: v1, or its superset v2, which a client requests with the subprotocol
 * `who-is-online.v2`.
 */
export type ProtocolVersion = 'v1' | 'v2'

interface Catalogue {
  readonly requests: Readonly<Record<string, RequestEntry>>
  readonly messages: Readonly<Record<string, Entry>>
}

/** All requests and messages, by protocol version. */
export const catalogue: Readonly<Record<ProtocolVersion, Catalogue>> = { v1, v2 }

/**
 * The fields as code uses them: an optional field may be `undefined`, but never `null`, which `decode`
 * removes.
 */
type Loose<Fields> = {
  readonly [Key in keyof Fields]: object extends Pick<Fields, Key>
    ? Exclude<Fields[Key], null> | undefined
    : Fields[Key]
}

type Of<Entries extends Record<string, { schema: TObject }>> = {
  [Kind in keyof Entries]: Loose<Static<Entries[Kind]['schema']>>
}

/** A request that `decode` returned. In v1 it has none of the fields that only v2 defines. */
export type ClientMessage = Of<typeof v2.requests>[keyof typeof v2.requests]

/** One user as others see them. */
export type User = Omit<Loose<Static<typeof user>>, 'since'> & {
  readonly since?: Static<typeof user>['since'] | undefined
}

/** A message whose list of users is either a list of values or JSON that is already encoded. */
type Joinable<Message> = Message extends { readonly users: unknown }
  ? Omit<Message, 'users'> & { readonly users: readonly User[] | Json }
  : Message

/** A message from the server. `encode` leaves out the fields that the protocol version does not define. */
export type ServerMessage =
  | Joinable<Of<typeof v2.messages>[keyof typeof v2.messages]>
  | Of<typeof v1.messages>['user_status_change']
