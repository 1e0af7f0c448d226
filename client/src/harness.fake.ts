import { beforeEach, expect } from 'vitest'
import type { PresenceClient } from './api.ts'
import { createClient } from './client.ts'
import { ManualClock } from './clock.fake.ts'
import type { ClientOptions } from './options.ts'
import type { Platform } from './platform.ts'
import { type Connection, FakeServer } from './server.fake.ts'
import { Events } from './simulation.model.ts'
import type { SentRequest } from './wire.ts'

// A stage for a client with a server and a clock that do as they are told; new ones for each test of whoever imports them.

export let clock: ManualClock
export let server: FakeServer
export let network: Events

beforeEach(() => {
  clock = new ManualClock()
  server = new FakeServer(clock)
  network = new Events()
})

export function make(options: Partial<ClientOptions> = {}, platform: Partial<Platform> = {}): PresenceClient {
  const nothing = { document: undefined, storage: undefined, locks: undefined, isUsers: false }
  return createClient({
    url: 'ws://fake/ws',
    ...(options.getToken || options.token ? {} : { userId: 'me' }),
    WebSocket: server.WebSocket,
    ...options,
    platform: { ...clock, ...nothing, network, random: () => 0.5, ...platform },
  } as ClientOptions)
}

export async function open(
  options: Partial<ClientOptions> = {},
  platform: Partial<Platform> = {},
): Promise<PresenceClient> {
  const client = make(options, platform)
  await clock.run(1)
  expect(client.connectionStatus).toBe('open')
  return client
}

export const connection = (): Connection => [...server.connections].at(-1) as Connection
export const heard = (type: string): SentRequest[] => server.heard.filter(said => said.type === type)
export const query = (index: number): Record<string, string> =>
  Object.fromEntries(new URL(server.urls.at(index) ?? '').searchParams)

/** What a promise comes to while time passes. */
export async function settle<Value>(promise: Promise<Value>, ms = 100): Promise<Value> {
  promise.catch(() => {})
  await clock.run(ms)
  return promise
}
