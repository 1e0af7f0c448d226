import type { ClientMessage } from '@who-is-online/protocol/catalogue'
import { expect, test } from 'vitest'
import { ALL_RIGHTS, type Rights } from './grant.ts'
import { permits } from './permits.ts'

const RIGHTS = {
  all: ALL_RIGHTS,
  named: { ...ALL_RIGHTS, watch: 'named' },
  set: { ...ALL_RIGHTS, watch: new Set(['bob']) },
  observer: { ...ALL_RIGHTS, observer: true },
} as const satisfies Record<string, Rights>

type Kind = keyof typeof RIGHTS

/** A request of each type, and the kinds of rights that permit it. The user is ann. */
const TABLE = {
  check_user_status: [
    [{ type: 'check_user_status', targetUserId: 'ann' }, ['all', 'named', 'set', 'observer']],
    [{ type: 'check_user_status', targetUserId: 'bob' }, ['all', 'named', 'set', 'observer']],
    [{ type: 'check_user_status', targetUserId: 'eve' }, ['all', 'named', 'observer']],
  ],
  get_users: [
    [{ type: 'get_users', userIds: ['ann', 'bob'] }, ['all', 'named', 'set', 'observer']],
    [{ type: 'get_users', userIds: ['bob', 'eve'] }, ['all', 'named', 'observer']],
    [{ type: 'get_users', userIds: [] }, ['all', 'named', 'set', 'observer']],
  ],
  subscribe: [
    [{ type: 'subscribe', userIds: ['ann', 'bob'] }, ['all', 'named', 'set', 'observer']],
    [{ type: 'subscribe', userIds: ['eve'] }, ['all', 'named', 'observer']],
    [{ type: 'subscribe', all: true }, ['all', 'observer']],
    [{ type: 'subscribe', count: true }, ['all', 'observer']],
  ],
  get_online_count: [[{ type: 'get_online_count' }, ['all', 'observer']]],
  get_all_users: [[{ type: 'get_all_users' }, ['all', 'observer']]],
  list_users: [[{ type: 'list_users' }, ['all', 'observer']]],
  set_status: [[{ type: 'set_status', status: 'busy' }, ['all', 'named', 'set']]],
  set_activity: [[{ type: 'set_activity', state: 'idle' }, ['all', 'named', 'set']]],
  identify: [[{ type: 'identify', username: 'Ann' }, ['all', 'named', 'set']]],
  unsubscribe: [[{ type: 'unsubscribe', all: true }, ['all', 'named', 'set', 'observer']]],
  client_state: [[{ type: 'client_state', state: 'inactive' }, ['all', 'named', 'set', 'observer']]],
  refresh: [[{ type: 'refresh', token: 'x' }, ['all', 'named', 'set', 'observer']]],
  ping: [[{ type: 'ping' }, ['all', 'named', 'set', 'observer']]],
} as const satisfies {
  readonly [Type in ClientMessage['type']]: readonly (readonly [
    Extract<ClientMessage, { type: Type }>,
    readonly Kind[],
  ])[]
}

const rows: (readonly [ClientMessage, readonly Kind[]])[] = Object.values(TABLE).flat()

test.each(rows)('[D14] %j is permitted with the rights %j only', (request, kinds) => {
  for (const kind of Object.keys(RIGHTS) as Kind[]) {
    const refusal = permits({ userId: 'ann', isNameFixed: false, rights: RIGHTS[kind] }, request)
    if (kinds.includes(kind)) expect(refusal, kind).toBeUndefined()
    else expect(refusal, kind).toEqual(expect.any(String))
  }
})

test('[D14] a refusal says what was wrong, and what to do', () => {
  const refusal = (kind: Kind, request: ClientMessage, isNameFixed = false) =>
    permits({ userId: 'ann', isNameFixed, rights: RIGHTS[kind] }, request)
  expect(refusal('set', { type: 'get_users', userIds: ['bob', 'e"ve'] })).toBe(
    'the token does not allow asking about the user "e\\"ve" ("watch")',
  )
  expect(refusal('named', { type: 'subscribe', count: true })).toBe(
    '"subscribe" with "count" needs a token with "watch": "all", or AUTH_WATCH=all on the server',
  )
  expect(refusal('observer', { type: 'set_status', status: 'busy' })).toBe(
    'an observer cannot set a status: connect as another user',
  )
})

test('[D14] a name of the token cannot be changed, whatever the rights', () => {
  for (const rights of Object.values(RIGHTS)) {
    const refusal = permits({ userId: 'ann', isNameFixed: true, rights }, { type: 'identify', username: 'A' })
    expect(refusal).toBe('the token has the name of the user: "identify" cannot change it')
  }
})
