import { connect } from 'node:net'
import { TestClient } from '@who-is-online/testing/client'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { KEYS, startApi } from './testing/api-server.ts'

// What the calls do, on a real server. api.test.ts has their forms.

const LONG_ID = 'é'.repeat(64)
const stored = [...Array.from({ length: 2_500 }, (_, index) => `user-${index}`), LONG_ID].map(userId => ({
  userId,
  session: 'none' as const,
  status: 'online' as const,
  lastSeen: Date.UTC(2026, 0, 1),
}))

let api: Awaited<ReturnType<typeof startApi>>

beforeAll(async () => {
  api = await startApi({ API_REQUESTS_PER_SECOND: '100000' }, stored)
})
afterAll(() => api.stop())

interface User {
  readonly since?: string | null
}

interface List {
  readonly epoch: string
  readonly seq: number
  readonly users: { readonly userId: string; readonly status: string }[]
  readonly cursor?: string
}

const read = async (path: string) => (await api.ask(path, { key: 'read' })).json
const query = async (userIds: unknown[]) =>
  (await api.ask('/api/v1/users/query', { method: 'POST', key: 'read', body: { userIds } })).json as List
const setStatus = (userId: string, body: object) =>
  api.ask(`/api/v1/users/${userId}/status`, { method: 'PUT', key: 'write', body })

test('[E2] a user is as others see them, and an unknown one is offline', async () => {
  const ann = await TestClient.as(api, 'ann')
  expect(await read('/api/v1/users/ann')).toEqual({
    userId: 'ann',
    status: 'online',
    lastSeen: expect.stringMatching(/Z$/),
    since: expect.stringMatching(/Z$/),
  })
  const unknown = { userId: 'A/b ü', status: 'offline', lastSeen: null }
  expect(await read('/api/v1/users/A%2Fb%20%C3%BC')).toEqual(unknown)
  expect((await query(['A/b ü', 7, 'ann'])).users.map(({ userId }) => userId)).toEqual(['A/b ü', '7', 'ann'])
  expect(await read('/api/v1/users/query')).toMatchObject({ userId: 'query', status: 'offline' })
  await ann.leave()
})

test('[E3] a hidden user is offline in every call, and in no number', async () => {
  const bob = await TestClient.v2(api, 'bob', { status: 'offline' })
  const eve = await TestClient.v2(api, 'eve')
  const seen = async () => ({
    one: ((await read('/api/v1/users/bob')) as { status: string }).status,
    some: (await query(['bob'])).users[0]?.status,
    busy: ((await read('/api/v1/users?status=online&limit=1000')) as List).users.map(({ userId }) => userId),
  })
  expect(await seen()).toEqual({ one: 'offline', some: 'offline', busy: ['eve'] })
  const count = await read('/api/v1/count')
  expect(count).toEqual({ online: 1, connections: 1, known: stored.length + ['ann', 'eve'].length })
  // The negative control: the same user, shown.
  expect((await setStatus('bob', { status: 'online' })).status).toBe(200)
  expect(await seen()).toMatchObject({ one: 'online', some: 'online' })
  expect(await read('/api/v1/count')).toMatchObject({ online: 2, known: stored.length + 3 })
  await Promise.all([bob.leave(), eve.leave()])
})

test('[E5] pages have each user once, and a cursor has at most 200 bytes', async () => {
  const found: string[] = []
  let cursor: string | undefined = ''
  while (cursor !== undefined) {
    const from: string = cursor && `&cursor=${encodeURIComponent(cursor)}`
    const page = (await read(`/api/v1/users?limit=500${from}`)) as List
    found.push(...page.users.map(({ userId }) => userId))
    cursor = page.cursor
    expect(Buffer.byteLength(cursor ?? '')).toBeLessThanOrEqual(200)
  }
  const listed = new Set(found)
  expect(listed.size).toBe(found.length)
  expect(stored.filter(({ userId }) => !listed.has(userId))).toEqual([])
  expect(((await read('/api/v1/users')) as List).users).toHaveLength(100)
  const wrong = await api.ask('/api/v1/users?cursor=zzz.x', { key: 'read' })
  expect([wrong.status, wrong.json]).toEqual([
    400,
    expect.objectContaining({ code: 'bad_cursor', field: 'cursor' }),
  ])
})

test('[E5] lists have their place in the changes', async () => {
  const client = await TestClient.open(`${api.url}?userId=place`, { protocols: ['who-is-online.v2'] })
  const { epoch } = await client.next('welcome')
  const [list, some] = [(await read('/api/v1/users')) as List, await query(['place'])]
  expect([list.epoch, some.epoch]).toEqual([epoch, epoch])
  await client.leave()
  await expect.poll(async () => (await query(['place'])).seq).toBeGreaterThan(some.seq)
})

test('[E6] a status acts as from a client: watchers and all connections of the user are told', async () => {
  const ann = await TestClient.v2(api, 'ann')
  const watcher = await TestClient.v2(api, 'watcher')
  watcher.send({ type: 'subscribe', userIds: ['ann'] })
  await watcher.next('presence_state')
  const expiresAt = '2035-01-01T00:00:00.000Z'
  const { status, json } = await setStatus('ann', { status: 'busy', text: 'in a call', expiresAt })
  const shown = { userId: 'ann', status: 'busy', text: 'in a call', expiresAt }
  expect([status, json]).toEqual([200, expect.objectContaining(shown)])
  expect(await ann.next('status_updated')).toMatchObject({ status: 'busy', text: 'in a call', expiresAt })
  expect(await watcher.next('presence_diff')).toMatchObject({ users: [shown] })
  const past = await setStatus('ann', { status: 'busy', expiresAt: '2001-01-01T00:00:00Z' })
  expect(past.json).toMatchObject({ code: 'bad_request', field: 'expiresAt' })
  const absent = await setStatus('user-1', { status: 'busy' })
  expect([absent.status, absent.json]).toEqual([409, expect.objectContaining({ code: 'no_session' })])
  expect(await read('/api/v1/users/user-1')).toMatchObject({ status: 'offline' })
  await Promise.all([ann.leave(), watcher.leave()])
})

test('[E15] a status with an end can be set before the user comes', async () => {
  const expiresAt = '2035-01-01T00:00:00.000Z'
  const known = ((await read('/api/v1/count')) as { known: number }).known
  const { status, json } = await setStatus('later', { status: 'busy', text: 'in a call', expiresAt })
  const unseen = { userId: 'later', status: 'offline', lastSeen: null }
  expect([status, json]).toEqual([200, unseen])
  expect(await read('/api/v1/users/later')).toEqual(unseen)
  expect(await read('/api/v1/count')).toMatchObject({ known })
  const explained = await api.ask('/api/v1/users/later/explain', { key: 'write' })
  expect(explained.json).toMatchObject({ reason: 'noSession', choice: { status: 'busy', expiresAt } })
  const client = await TestClient.v2(api, 'later')
  expect(await client.next('status_updated')).toMatchObject({ status: 'busy', text: 'in a call', expiresAt })
  expect(await read('/api/v1/users/later')).toMatchObject({ status: 'busy', text: 'in a call', expiresAt })
  await client.leave()
})

test('[E7 E8] ended sessions close the connections; each write is logged with the name of the key', async () => {
  const [one, two] = [await TestClient.v2(api, 'kim'), await TestClient.as(api, 'kim')]
  const end = () => api.ask('/api/v1/users/kim/sessions', { method: 'DELETE', key: 'write' })
  const { status, text } = await end()
  expect([status, text]).toEqual([204, ''])
  expect((await Promise.all([one.closed, two.closed])).map(({ code }) => code)).toEqual([4403, 4403])
  expect(await read('/api/v1/users/kim')).toMatchObject({ status: 'offline' })
  expect((await end()).status).toBe(204)
  await api.ask('/api/v1/users/kim', { headers: { authorization: 'Bearer wrong-key' } })
  expect(api.lines).toContainEqual({
    text: 'a key of the API ended the sessions of a user',
    fields: { key: 'writer', userId: 'kim' },
  })
  expect(api.lines.map(({ text }) => text)).toContain('an API request was refused because of its key')
  const metrics = (await api.ask('/metrics')).text
  expect(metrics).toMatch(/wio_refused_total\{limit="API_KEYS"\} [1-9]/)
  for (const key of [...Object.values(KEYS), 'wrong-key'])
    expect(JSON.stringify(api.lines) + metrics).not.toContain(key)
})

test('[E4] one pipelined connection does not hold up the others', async () => {
  const body = JSON.stringify({ userIds: stored.map(({ userId }) => userId) })
  const head = `POST /api/v1/users/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEYS.read}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
  const socket = connect(api.port, '127.0.0.1')
  let answers = 0
  socket.on('data', data => {
    answers += data.toString().split('HTTP/1.1 200').length - 1
  })
  const ascii = body.replace(LONG_ID, 'e'.repeat(128))
  socket.write((head + ascii).repeat(16).replaceAll(`${body.length}\r`, `${ascii.length}\r`))
  await expect.poll(() => answers, { interval: 1 }).toBeGreaterThan(0)
  expect(await read('/api/v1/users/user-1')).toMatchObject({ userId: 'user-1' })
  expect(answers).toBeLessThan(16)
  await expect.poll(() => answers).toBe(16)
  socket.destroy()
})

test('[E12] a leased session makes a user present until it ends, and connections keep their session ids', async () => {
  const path = '/api/v1/users/bot/sessions/agent'
  const lease = (body: object, target = path) => api.ask(target, { method: 'PUT', key: 'write', body })
  const terms = { ttlMs: 60_000, device: 'r2', username: 'Bot', activity: 'idle' }
  const { status, json } = await lease(terms)
  expect([status, json]).toEqual([
    200,
    expect.objectContaining({ kind: 'lease', device: 'r2', active: false, visible: true }),
  ])
  expect(await read('/api/v1/users/bot')).toMatchObject({ status: 'away', username: 'Bot' })
  await lease({ ttlMs: 60_000, activity: 'active' })
  expect(await read('/api/v1/users/bot')).toMatchObject({ status: 'online' })
  const end = (target: string) => api.ask(target, { method: 'DELETE', key: 'write' })
  expect([(await end(path)).status, (await end(path)).status]).toEqual([204, 204])
  expect(await read('/api/v1/users/bot')).toMatchObject({ status: 'offline' })
  expect(api.lines.filter(({ text }) => text === 'a key of the API leased a session')).toHaveLength(1)
  const leo = await TestClient.open(`${api.url}?userId=leo&sessionId=tab&device=web`, {
    protocols: ['who-is-online.v2'],
  })
  await leo.next('welcome')
  const taken = await lease({ ttlMs: 60_000 }, '/api/v1/users/leo/sessions/tab')
  expect([taken.status, taken.json]).toEqual([409, expect.objectContaining({ code: 'session_connected' })])
  await end('/api/v1/users/leo/sessions/tab')
  expect((await leo.closed).code).toBe(4403)
  expect(await read('/api/v1/users/leo')).toMatchObject({ status: 'offline' })
})

test('[E13] only a write key learns of the sessions of a hidden user', async () => {
  const mia = await TestClient.v2(api, 'mia', { device: 'web' })
  const detailFor = async (key: 'read' | 'write') => {
    const body = { userIds: ['mia'], detail: true }
    const { json } = await api.ask('/api/v1/users/query', { method: 'POST', key, body })
    return (json as { users: { detail: object }[] }).users[0]?.detail
  }
  const explain = async () => (await api.ask('/api/v1/users/mia/explain', { key: 'write' })).json
  const shown = { sessions: 1, active: true, visible: true, lastActive: expect.stringMatching(/Z$/) }
  expect([await detailFor('read'), await detailFor('write')]).toEqual([shown, shown])
  expect(await explain()).toMatchObject({
    reason: 'active',
    hidden: false,
    sessions: [{ device: 'web', node: expect.any(String) }],
  })
  await mia.ask({ type: 'set_status', status: 'offline' }, 'status_updated')
  expect(await detailFor('read')).toMatchObject({ sessions: 0, active: false, visible: false })
  expect(await detailFor('write')).toMatchObject({ sessions: 1, active: true })
  expect(await explain()).toMatchObject({ reason: 'hidden', hidden: true, shown: { status: 'offline' } })
  expect((await api.ask('/api/v1/users/mia/sessions', { key: 'read' })).status).toBe(403)
  await mia.leave()
})

test('[E18] `since` is the start of the status in every call, and absent of a user who is offline', async () => {
  const ann = await TestClient.v2(api, 'ann')
  const sinceOf = async () => ({
    one: ((await read('/api/v1/users/ann')) as User).since,
    some: ((await query(['ann'])).users[0] as User).since,
    listed: ((await read('/api/v1/users?status=busy&limit=1000')) as List).users.map(
      user => (user as User).since,
    ),
  })
  const { timestamp } = await ann.ask({ type: 'set_status', status: 'busy' }, 'status_updated')
  const first = await sinceOf()
  expect(Math.abs(Date.parse(String(first.one)) - Date.parse(timestamp))).toBeLessThan(1_000)
  expect(first).toEqual({ one: first.one, some: first.one, listed: [first.one] })
  // Another text begins no status, and neither does a sign of life.
  await ann.ask({ type: 'set_status', status: 'busy', text: 'in a call' }, 'status_updated')
  expect(await sinceOf()).toEqual(first)
  await ann.leave()
  expect(await read('/api/v1/users/ann')).not.toHaveProperty('since')
})

test('[E7 E19] `forMs` keeps a user away for that time: connections get 4403, and leases 409', async () => {
  const ann = await TestClient.v2(api, 'ann')
  const end = (query: string) =>
    api.ask(`/api/v1/users/ann/sessions${query}`, { method: 'DELETE', key: 'write' })
  const lease = () =>
    api.ask('/api/v1/users/ann/sessions/bot', { method: 'PUT', key: 'write', body: { ttlMs: 2_000 } })
  expect((await end('?forMs=60000')).status).toBe(204)
  expect((await ann.closed).code).toBe(4403)
  const again = await TestClient.open(`${api.url}?userId=ann`)
  expect(await again.closed).toMatchObject({ code: 4403 })
  expect(again.texts.join()).toContain('not_allowed: this user may not connect for 60 s')
  expect(await lease()).toMatchObject({ status: 409, json: { code: 'user_refused' } })
  // Others may connect, and a later call replaces the time.
  await (await TestClient.v2(api, 'bob')).leave()
  expect((await end('')).status).toBe(204)
  expect((await lease()).status).toBe(409)
  expect((await end('?forMs=1000')).status).toBe(204)
  await vi.waitFor(async () => expect((await lease()).status).toBe(200), { timeout: 5_000 })
  await end('')
  for (const forMs of ['999', '3600001', 'x', '1.5'])
    expect(await end(`?forMs=${forMs}`)).toMatchObject({ status: 400, json: { field: 'forMs' } })
})

test('[E20 E8] an erased user is unknown, and the log does not name the user', async () => {
  const max = await TestClient.v2(api, 'max-muster')
  await max.ask({ type: 'identify', username: 'Max' }, 'ack')
  const { known } = (await read('/api/v1/count')) as { known: number }
  const before = api.lines.length
  const erase = (key: 'read' | 'write') => api.ask('/api/v1/users/max-muster', { method: 'DELETE', key })
  expect((await erase('read')).status).toBe(403)
  expect((await erase('write')).status).toBe(204)
  expect((await max.closed).code).toBe(4403)
  const unknown = { userId: 'max-muster', status: 'offline', lastSeen: null }
  expect(await read('/api/v1/users/max-muster')).toEqual(unknown)
  expect(await read('/api/v1/count')).toMatchObject({ known: known - 1 })
  const lines = api.lines.slice(before).filter(({ text }) => text.includes('key of the API'))
  expect(lines).toEqual([{ text: 'a key of the API erased a user', fields: { key: expect.any(String) } }])
})
