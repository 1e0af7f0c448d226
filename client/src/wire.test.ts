import type { User as CatalogueUser, ClientMessage, ServerMessage } from '@who-is-online/protocol/catalogue'
import { CLOSE as CLOSE_CODES } from '@who-is-online/protocol/close-codes'
import { decode } from '@who-is-online/protocol/decode'
import type { Json } from '@who-is-online/protocol/json'
import { type ERROR_CODES, messages } from '@who-is-online/protocol/v2'
import { PROTOCOL } from '@who-is-online/protocol/version'
import { expect, expectTypeOf, test } from 'vitest'
import * as CLOSE from './close.ts'
import { type Message, type RefusalCode, type Said, SUBPROTOCOL, type User } from './wire.ts'

// The client has its own words for what is said, so that nothing of the catalogue is published with it. Here they are
// held to it.

/** What the catalogue says a server says, in v2 and as it is parsed. */
type Spoken<Type extends Message['type']> = Exclude<Extract<ServerMessage, { type: Type }>, { users: Json }>

type Users<Said> = Said extends { users: unknown }
  ? Omit<Said, 'users'> & { users: readonly CatalogueUser[] }
  : Said

test('[J11] a user is what the catalogue says, and no less', () => {
  expectTypeOf<User>().toEqualTypeOf<CatalogueUser>()
})

test('[J11] every message that is understood is one of the catalogue’s, with its fields', () => {
  expectTypeOf<Users<Spoken<'presence_state'>>>().toExtend<Extract<Message, { type: 'presence_state' }>>()
  expectTypeOf<Users<Spoken<'presence_diff'>>>().toExtend<Extract<Message, { type: 'presence_diff' }>>()
  expectTypeOf<Users<Spoken<'users'>>>().toExtend<Extract<Message, { type: 'users' }>>()
  expectTypeOf<Spoken<'disconnect'>>().toExtend<Extract<Message, { type: 'disconnect' }>>()
  expectTypeOf<Spoken<'welcome'>>().toExtend<Extract<Message, { type: 'welcome' }>>()
  expectTypeOf<Spoken<'error'>>().toExtend<Extract<Message, { type: 'error' }>>()
  expectTypeOf<Spoken<'status_updated'>>().toExtend<Extract<Message, { type: 'status_updated' }>>()
  expectTypeOf<Spoken<'online_count'>>().toExtend<Extract<Message, { type: 'online_count' }>>()
  expectTypeOf<Spoken<'ack'>>().toExtend<Extract<Message, { type: 'ack' }>>()
  expectTypeOf<Spoken<'pong'>>().toExtend<Extract<Message, { type: 'pong' }>>()
  expectTypeOf<keyof typeof ERROR_CODES>().toEqualTypeOf<RefusalCode>()
})

test('[J11] every request is one that the catalogue knows', () => {
  const requests: Said[] = [
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
    { type: 'ping' },
  ]
  for (const request of requests) expect(decode(JSON.stringify(request), 'v2')).toEqual(request)
  expectTypeOf<Said['type']>().toExtend<ClientMessage['type']>()
})

test('[J11] close codes and the version are the catalogue’s', () => {
  for (const name of ['normal', 'badIdentity', 'badToken', 'replaced', 'tooFast'] as const) {
    expect({ ...CLOSE }[name]).toBe(CLOSE_CODES[name])
  }
  expect(SUBPROTOCOL).toBe(`who-is-online.v${PROTOCOL.v2.split('.')[0]}`)
  expect(Object.values(CLOSE_CODES)).not.toContain(CLOSE.cut)
  expect(messages.presence_state.example.last).toBe(true)
})
