import { beforeEach, expect } from 'vitest'
import type { PresenceClient } from './api.ts'
import { createClient } from './client.ts'
import { ManualClock } from './clock.fake.ts'
import type { FakeConnection } from './connection.fake.ts'
import { FakeEvents } from './events.fake.ts'
import type { ClientOptions } from './options.ts'
import { fakePlatform } from './platform.fake.ts'
import type { Platform } from './platform.ts'
import { FakeServer } from './server.fake.ts'
import type { SentRequest } from './wire.ts'

// A client with a fake server, clock and network. Each test of a file that imports this gets new ones.

export let clock: ManualClock
export let server: FakeServer
export let network: FakeEvents

beforeEach(() => {
  clock = new ManualClock()
  server = new FakeServer(clock)
  network = new FakeEvents()
})

/** Makes a client of the fake server, on a platform with nothing else. */
export function makeClient(
  options: Partial<ClientOptions> = {},
  platform: Partial<Platform> = {},
): PresenceClient {
  return createClient({
    url: 'ws://fake/ws',
    ...(options.getToken || options.token ? {} : { userId: 'me' }),
    WebSocket: server.WebSocket,
    ...options,
    platform: { ...fakePlatform(clock), isUsers: false, network, ...platform },
  } as ClientOptions)
}

/** Makes a client and waits until it is connected. */
export async function openClient(
  options: Partial<ClientOptions> = {},
  platform: Partial<Platform> = {},
): Promise<PresenceClient> {
  const client = makeClient(options, platform)
  await clock.run(1)
  expect(client.connectionStatus).toBe('open')
  return client
}

/** The newest open connection of the server. */
export const connection = (): FakeConnection => [...server.connections].at(-1) as FakeConnection

/** The requests of one type that the server has received. */
export const received = (type: string): SentRequest[] =>
  server.received.filter(request => request.type === type)

/** The query of an attempt's URL, by index; -1 is the last one. */
export const query = (index: number): Record<string, string> =>
  Object.fromEntries(new URL(server.urls.at(index) ?? '').searchParams)

/** Runs the clock for `ms` and returns what the promise settles with. */
export async function settle<Value>(promise: Promise<Value>, ms = 100): Promise<Value> {
  promise.catch(() => {})
  await clock.run(ms)
  return promise
}
