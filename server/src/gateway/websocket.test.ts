import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { TestClient } from '@who-is-online/testing/client'
import { expect, test } from 'vitest'
import { Feed } from '../feed.ts'
import { UNPACED } from '../presence/pace.ts'
import { Presence } from '../presence/presence.ts'
import { createMemoryStore } from '../storage/memory.ts'
import { Tracker } from '../tracker.ts'
import { openIdentity } from './identity.ts'
import { UNLIMITED } from './limits.ts'
import { Gateway } from './websocket.ts'

test('[C2] a bug in an answer is logged and ends that client with 4500, and nobody else', async () => {
  const clock = { now: () => Date.now() }
  const presence = new Presence({
    graceMs: 0,
    restartGraceMs: 0,
    changePace: UNPACED,
    maxKnown: 10,
    keepMs: 1,
  })
  const feed = new Feed({ epoch: 'e', recent: 10 })
  const store = createMemoryStore()
  await store.load()
  await store.start(() => presence.records())
  const errors: unknown[] = []
  const ignore = () => {}
  const gateway = new Gateway({
    tracker: new Tracker({ presence, feed, store, clock, spectator: undefined, allUsersLimit: 10 }),
    presence,
    feed,
    clock,
    identity: openIdentity,
    log: {
      error: (_text, fields) => errors.push(fields?.error),
      info: ignore,
      debug: ignore,
      limited: ignore,
      once: ignore,
    },
    limits: UNLIMITED,
    heartbeat: { pingMs: 60_000, pongTimeoutMs: 60_000, random: () => 1 },
    origins: { allowed: [], development: true },
    trustProxy: undefined,
    maxBufferedBytes: 1_000_000,
    spectator: undefined,
    maxWatchedUsers: 10,
    maxWatchedInAll: 10_000,
    allUsersLimit: 10,
    terms: {
      heartbeatMs: 1,
      graceMs: 1,
      limits: {
        maxMessageBytes: 1,
        maxUserIds: 1,
        maxWatchedUsers: 1,
        messagesPerSecond: 1,
        messagesBurst: 1,
      },
    },
  })
  const http = createServer()
  gateway.attach(http)
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const server = { url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}/ws` }
  const [unlucky, other] = [await TestClient.as(server, 'unlucky'), await TestClient.as(server, 'other')]
  presence.see = () => {
    throw new Error('planted')
  }
  unlucky.send({ type: 'check_user_status', targetUserId: 'x' })
  expect(await unlucky.closed).toEqual({ code: 4500, reason: 'our fault' })
  expect(errors).toEqual([expect.stringContaining('planted')])
  expect(await other.ask({ type: 'get_online_count' }, 'online_count')).toMatchObject({
    type: 'online_count',
  })
  expect(gateway.connections).toBe(1)
  await other.leave()
  http.close()
})
