import type { Static, TObject } from 'typebox'
import type { Entry, RequestEntry, user } from './fields.ts'
import type { Json } from './json.ts'
import * as v1 from './v1.ts'
import * as v2 from './v2.ts'

/** What a connection speaks: v1, or the superset v2, which is opted into by the subprotocol `who-is-online.v2`. */
export type Dialect = 'v1' | 'v2'

interface Said {
  readonly requests: Readonly<Record<string, RequestEntry>>
  readonly messages: Readonly<Record<string, Entry>>
}

/** Everything that can be said, by dialect. */
export const catalogue: Readonly<Record<Dialect, Said>> = { v1, v2 }

/** An optional field may be there and undefined. It is never null: that means absent, and `decode` leaves it out. */
type Loose<Fields> = {
  readonly [Key in keyof Fields]: object extends Pick<Fields, Key>
    ? Exclude<Fields[Key], null> | undefined
    : Fields[Key]
}

type Of<Entries extends Record<string, { schema: TObject }>> = {
  [Kind in keyof Entries]: Loose<Static<Entries[Kind]['schema']>>
}

/** A request as it comes out of `decode`: a v1 one has nothing of what only v2 knows. */
export type ClientMessage = Of<typeof v2.requests>[keyof typeof v2.requests]

/** One user as others see them. */
export type User = Loose<Static<typeof user>>

/** A message with its list of users as values, or as JSON that was joined from fragments. */
type Joinable<Message> = Message extends { readonly users: unknown }
  ? Omit<Message, 'users'> & { readonly users: readonly User[] | Json }
  : Message

/** What the server says; of what v1 does not know, `encode` leaves out what is too much. */
export type ServerMessage =
  | Joinable<Of<typeof v2.messages>[keyof typeof v2.messages]>
  | Of<typeof v1.messages>['user_status_change']
