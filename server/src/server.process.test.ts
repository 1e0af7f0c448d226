import { expect, test } from 'vitest'
import type { Log } from './log.ts'
import { startServer } from './server.ts'
import { readSettings } from './settings.ts'
import { createMemoryStore } from './storage/memory.ts'
import type { UserRecord } from './storage/store.ts'
import { SystemClock } from './time/clock.ts'

const DAY_MS = 86_400_000
const T = Date.parse('2026-01-01T00:00:00Z')
const silent: Log = { error() {}, info() {}, debug() {}, limited() {}, once() {} }

test('[R9 R11] no user is forgotten if the wall clock is set while the store starts', async () => {
  const ann: UserRecord = { userId: 'ann', session: 'none', status: 'offline', lastSeen: T - DAY_MS }
  const store = createMemoryStore({ users: new Map([['ann', ann]]) })
  let wall = T
  const clock = new SystemClock(
    () => wall,
    () => performance.now(),
  )
  const forgotten: string[] = []
  store.delete = userId => void forgotten.push(userId)
  let alive = 0
  store.recordAlive = () => void alive++
  const start = store.start.bind(store)
  store.start = async (...args) => {
    await start(...args)
    wall += 40 * DAY_MS
    clock.now() // a log line reads the clock too
  }
  const server = await startServer({
    settings: readSettings({ ENVIRONMENT: 'development', HOST: '127.0.0.1', PORT: '0', DASHBOARD: 'off' }),
    store,
    clock,
    log: silent,
    version: '0',
    openFiles: Number.POSITIVE_INFINITY,
    droppedLines: () => ({ console: 0, file: 0 }),
  })
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws?userId=bob`)
  await new Promise(resolve => socket.addEventListener('message', resolve))
  // The process is recorded as alive after all due users were handled.
  await expect.poll(() => alive, { timeout: 10_000 }).toBeGreaterThan(0)
  expect(forgotten).toEqual([])
  await server.stop()
})
