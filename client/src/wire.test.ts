import type { User as CatalogueUser, ServerMessage } from '@who-is-online/protocol/catalogue'
import { CLOSE } from '@who-is-online/protocol/close-codes'
import { decode } from '@who-is-online/protocol/decode'
import type { Json } from '@who-is-online/protocol/json'
import { expect, expectTypeOf, test } from 'vitest'
import { DROPPED } from './connection.ts'
import type { User } from './protocol.ts'
import type { Message, SentRequest } from './wire.ts'

// protocol.ts and close-codes.ts are generated, and `pnpm generate --check` compares them with the catalogue.
// This is what that check does not show: that the generated types are those of the catalogue's own type
// system, and that what the client composes of them is valid.

/** A message of the catalogue as this client parses it: v2 only, with its users as values. */
type Parsed<Type> =
  Exclude<Extract<ServerMessage, { type: Type }>, { users: Json }> extends infer Spoken
    ? Spoken extends { users: unknown }
      ? Omit<Spoken, 'users'> & { readonly users: readonly CatalogueUser[] }
      : Spoken
    : never

/** Makes two types comparable that differ only in how they are composed, and in what is read-only or `undefined`. */
type Flat<Type> = {
  readonly [Key in keyof Type]:
    | (Type[Key] extends object | undefined ? Flat<Type[Key]> : Type[Key])
    | (object extends Pick<Type, Key> ? undefined : never)
}

test('[J11] a generated user is the catalogue’s', () => {
  expectTypeOf<Flat<User>>().toEqualTypeOf<Flat<CatalogueUser>>()
})

test('[J11] each message that the client understands has the fields and types of the catalogue', () => {
  type Of<Type extends Message['type']> = Flat<Omit<Extract<Message, { type: Type }>, 'id'>>
  type Expected<Type extends Message['type']> = Flat<Omit<Parsed<Type>, 'id'>>
  expectTypeOf<Of<'welcome'>>().toEqualTypeOf<Expected<'welcome'>>()
  expectTypeOf<Of<'presence_state'>>().toEqualTypeOf<Expected<'presence_state'>>()
  expectTypeOf<Of<'presence_diff'>>().toEqualTypeOf<Expected<'presence_diff'>>()
  expectTypeOf<Of<'online_count'>>().toEqualTypeOf<Expected<'online_count'>>()
  expectTypeOf<Of<'status_updated'>>().toEqualTypeOf<Expected<'status_updated'>>()
  expectTypeOf<Of<'users'>>().toEqualTypeOf<Expected<'users'>>()
  expectTypeOf<Of<'ack'>>().toEqualTypeOf<Expected<'ack'>>()
  expectTypeOf<Of<'pong'>>().toEqualTypeOf<Expected<'pong'>>()
  expectTypeOf<Of<'error'>>().toEqualTypeOf<Expected<'error'>>()
  expectTypeOf<Of<'disconnect'>>().toEqualTypeOf<Expected<'disconnect'>>()
})

test('[J11] the server accepts each request that the client composes', () => {
  const requests: SentRequest[] = [
    { type: 'set_status', status: 'away', text: 'lunch', expiresAt: '2035-01-01T00:00:00.000Z', id: 1 },
    { type: 'identify', username: 'Ann', id: 2 },
    { type: 'set_activity', state: 'idle' },
    { type: 'client_state', state: 'inactive' },
    { type: 'get_users', userIds: ['ann'], id: 3 },
    { type: 'subscribe', userIds: ['ann'], since: { epoch: 'e', seq: 1 }, id: 4 },
    { type: 'subscribe', all: true, id: 5 },
    { type: 'subscribe', count: true, id: 6 },
    { type: 'unsubscribe', userIds: ['ann'] },
    { type: 'unsubscribe', all: true },
    { type: 'refresh', token: 'h.c.s', id: 7 },
    { type: 'ping' },
  ]
  for (const request of requests) expect(decode(JSON.stringify(request), 'v2')).toEqual(request)
})

test('[J11] the server does not use the close code of a dropped socket', () => {
  expect(Object.values(CLOSE)).not.toContain(DROPPED)
})
