import { TestClient } from '@who-is-online/testing/client'
import { handshake, RawClient } from '@who-is-online/testing/raw-client'
import { afterEach, expect, test, vi } from 'vitest'
import { ALL_RIGHTS } from '../identity/grant.ts'
import type { Identified, Identity } from '../identity/identity.ts'
import { openIdentity } from '../identity/open.ts'
import { ConnectionLimits, type LimitOptions, UNLIMITED } from './limits.ts'
import { type OpenGateway, openGateway } from './testing/open-gateway.ts'

// What the limits on connections tell of a hidden user. hidden.test.ts has what the answers to requests tell.

let server: OpenGateway
const sockets: RawClient[] = []

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await server.gateway.closeAll()
  server.http.close()
})

const open = openIdentity(undefined)

/** Believes user ids, and gives `nobody` no right to see anybody. */
const identity: Identity = {
  ...open,
  identify(request) {
    const identified = open.identify(request) as Identified
    if (identified.state !== 'known' || identified.grant.userId !== 'nobody') return identified
    return { ...identified, grant: { ...identified.grant, rights: { ...ALL_RIGHTS, watch: new Set() } } }
  },
}

type Goes = 'hides' | 'leaves'

/** A server where eve, with two connections, hides or leaves. */
async function begin(goes: Goes, limits: Partial<LimitOptions>): Promise<void> {
  server = await openGateway({ identity, limits: { ...UNLIMITED, ...limits } })
  const tabs = [await eve('one'), await eve('two')]
  if (goes === 'hides') tabs[0]?.send({ type: 'set_status', status: 'offline' })
  else await Promise.all(tabs.map(tab => tab.leave(1000)))
  await vi.waitFor(() => expect(server.presence.see('eve').status).toBe('offline'))
  expect(server.gateway.connections).toBe(goes === 'hides' ? 2 : 0)
}

const eve = (sessionId: string) => TestClient.v2(server, 'eve', { sessionId })

/** The whole response to a handshake, except its date. */
async function attempt(userId: string, more = ''): Promise<object> {
  const socket = await RawClient.connect(Number(new URL(server.url).port))
  sockets.push(socket)
  const protocol = { 'Sec-WebSocket-Protocol': 'who-is-online.v2' }
  socket.write(handshake({ target: `/ws?userId=${userId}${more}`, headers: protocol }))
  const response = await socket.response()
  if (typeof response !== 'object') throw new Error(`no response: ${response}`)
  const { status, headers, body } = response
  return { status, headers: [...headers].filter(([name]) => name !== 'date'), body }
}

/** The responses to attackers who open connections until they are refused. */
async function attack(goes: Goes, limits: Partial<LimitOptions>): Promise<object[]> {
  await begin(goes, limits)
  const responses: object[] = []
  for (const userId of ['attacker', 'nobody']) {
    for (let n = 0; n < 3; n++) responses.push(await attempt(userId))
  }
  return responses
}

const statuses = (responses: object[]) => responses.map(response => (response as { status: number }).status)

const TWO_PER_USER = { connectionsPerUser: 2 }

test('[V13 L2] the limit per user tells others nothing of a hidden user', async () => {
  const told = { hides: await attack('hides', TWO_PER_USER), leaves: await attack('leaves', TWO_PER_USER) }
  expect(told.hides).toEqual(told.leaves)
  expect(statuses(told.hides)).toEqual([101, 101, 429, 101, 101, 429])
})

test('negative control: a limit per user that counts a hidden user for others is noticed', async () => {
  const leaves = await attack('leaves', TWO_PER_USER)
  const { admits } = ConnectionLimits.prototype
  const planted = vi.spyOn(ConnectionLimits.prototype, 'admits')
  planted.mockImplementation(function (this: ConnectionLimits, userId, address) {
    const isHidden = server.presence.choice('eve').status === 'offline'
    return admits.call(this, isHidden ? 'eve' : userId, address)
  })
  const hides = await attack('hides', TWO_PER_USER)
  planted.mockRestore()
  expect(hides).not.toEqual(leaves)
})

test('[V13 L2] the sessions of a hidden user count for the user like any others', async () => {
  await begin('hides', TWO_PER_USER)
  expect(await attempt('eve')).toMatchObject({
    status: 429,
    body: expect.stringContaining('MAX_CONNECTIONS_PER_USER'),
  })
  // A connection that replaces one is always allowed, and the user stays hidden.
  expect(await attempt('eve', '&sessionId=one')).toMatchObject({ status: 101 })
  expect(server.presence.see('eve').status).toBe('offline')
  await begin('leaves', TWO_PER_USER)
  expect(await attempt('eve')).toMatchObject({ status: 101 })
})

test('[V13 L2] a limit on all connections counts those of hidden users, and its refusal names nobody', async () => {
  const four = { connections: 4 }
  const told = { hides: await attack('hides', four), leaves: await attack('leaves', four) }
  // This difference remains: the hidden user holds two connections.
  expect(statuses(told.hides)).toEqual([101, 101, 503, 503, 503, 503])
  // One user may hold at most half.
  expect(statuses(told.leaves)).toEqual([101, 101, 429, 101, 101, 503])
  expect(told.hides[2]).toEqual(told.leaves[5])
})
