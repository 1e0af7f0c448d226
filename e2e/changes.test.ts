import { TestClient } from '@who-is-online/testing/client'
import { type RunningServer, startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { expect, test } from 'vitest'

interface Page {
  readonly epoch: string
  readonly seq: number
  readonly recovered: boolean
  readonly changes: readonly { readonly userId: string; readonly seq: number; readonly status: string }[]
}

const SETTINGS = { RESTART_GRACE_MS: 500 }

/** All changes after a place, up to now. */
async function readAfter(server: RunningServer, since: string): Promise<{ place: string; told: string[] }> {
  const told: string[] = []
  for (let place = since; ; ) {
    const response = await fetch(`${server.origin}/api/v1/changes?since=${place}&waitMs=300`)
    const { epoch, seq, recovered, changes } = (await response.json()) as Page
    expect(recovered).toBe(true)
    if (changes.length === 0) return { place, told }
    told.push(...changes.map(({ userId, status }) => `${userId} ${status}`))
    place = `${epoch}:${seq}`
  }
}

test('[E9 E10 V3] a backend and a client resume over a kill and a stop, with exactly what they missed', async () => {
  const dir = temporaryDir()
  let server = await startServer(dir.path, SETTINGS)
  const begin = (await (await fetch(`${server.origin}/api/v1/changes`)).json()) as Page
  let place = `${begin.epoch}:${begin.seq}`
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    const userId = `user-${signal}`
    const ann = await TestClient.v2(server, userId)
    const { epoch, seq } = await ann.ask({ type: 'subscribe', userIds: [userId, 'x'] }, 'presence_state')
    await ann.ask({ type: 'set_status', status: 'busy' }, 'status_updated')
    const before = await readAfter(server, place)
    expect(before.told).toEqual([`${userId} online`, `${userId} busy`])
    await server.end(signal)
    server = await startServer(dir.path, SETTINGS)
    const again = await TestClient.v2(server, 'again')
    const since = { epoch, seq }
    const state = await again.ask({ type: 'subscribe', userIds: [userId, 'x'], since }, 'presence_state')
    expect(state).toMatchObject({ recovered: true, users: [{ userId, status: 'busy' }] })
    await again.leave()
    await new Promise(resolve => setTimeout(resolve, SETTINGS.RESTART_GRACE_MS))
    const after = await readAfter(server, before.place)
    expect(after.told).toEqual(['again online', 'again offline', `${userId} offline`])
    place = after.place
  }
  await server.end('SIGTERM')
  dir.remove()
})
