import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { Slices } from '../../fanout/slices.ts'
import { ApiAccess } from './access.ts'
import { inSlices } from './in-slices.ts'
import { startApi } from './testing/api-server.ts'

const KEY = 'k'.repeat(40)
let now = 0
const clock = { steady: () => now }
const pace = { burst: 2, everyMs: 500 }

function requestFrom(remoteAddress: string, headers: Record<string, string>): IncomingMessage {
  return { socket: { remoteAddress }, headers } as unknown as IncomingMessage
}

const LOCAL = { host: 'localhost:3050' }

test.each([
  ['this machine', '127.0.0.1', LOCAL, true],
  ['this machine over IPv6', '::1', { host: '[::1]:3050' }, true],
  ['a page of this server', '::ffff:127.0.0.1', { ...LOCAL, origin: 'http://localhost:3050' }, true],
  ['another machine', '192.168.0.7', LOCAL, false],
  ['a name that points to this machine', '127.0.0.1', { host: 'rebound.example.com' }, false],
  ['no host', '127.0.0.1', {}, false],
  ['a foreign page', '127.0.0.1', { ...LOCAL, origin: 'https://evil.example.com' }, false],
  ['a page at another port', '127.0.0.1', { ...LOCAL, origin: 'http://localhost:8080' }, false],
  ['a sandboxed page', '127.0.0.1', { ...LOCAL, origin: 'null' }, false],
  ['a proxy', '127.0.0.1', { ...LOCAL, 'x-forwarded-for': '1.2.3.4' }, false],
  ['a proxy that sends only the host', '127.0.0.1', { ...LOCAL, 'x-forwarded-host': 'x' }, false],
  ['a proxy with the standard header', '127.0.0.1', { ...LOCAL, forwarded: 'for=1.2.3.4' }, false],
])('[E1] without keys, development and only it answers %s: %s %o', (_what, address, headers, isAllowed) => {
  const request = requestFrom(address, headers)
  const judge = (isDevelopment: boolean, keys: { name: string; right: 'read'; key: string }[] = []) => {
    try {
      return new ApiAccess({ keys, isDevelopment, pace, clock }).callerOf(request).right
    } catch (error) {
      return (error as { code: string }).code
    }
  }
  expect(judge(true)).toBe(isAllowed ? 'write' : 'bad_key')
  expect(judge(false)).toBe('bad_key')
  expect(judge(true, [{ name: 'a', right: 'read', key: KEY }])).toBe('bad_key')
})

test('[E4] each key has its own limit, and it comes back', () => {
  const access = new ApiAccess({ keys: [], isDevelopment: true, pace, clock })
  const [one, other] = [
    { name: 'one', right: 'read' },
    { name: 'other', right: 'read' },
  ] as const
  const waits = () => access.waitMs(one)
  expect([waits(), waits(), waits(), waits()]).toEqual([0, 0, 500, 500])
  expect(access.waitMs(other)).toBe(0)
  now += 500
  expect([waits(), waits()]).toEqual([0, 500])
  access.countMore(one, 10)
  expect(waits()).toBe(5_500)
})

test('[E4] a large query counts more, and beyond the limit there is 429 with Retry-After', async () => {
  const api = await startApi({ API_REQUESTS_PER_SECOND: '1' })
  const userIds = Array.from({ length: 10_000 }, (_, index) => index)
  const query = await api.ask('/api/v1/users/query', { method: 'POST', key: 'read', body: { userIds } })
  expect(query.status).toBe(200)
  const refused = await api.ask('/api/v1/count', { key: 'read' })
  expect([refused.status, refused.json]).toEqual([429, expect.objectContaining({ code: 'too_fast' })])
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(1)
  expect((await api.ask('/api/v1/count', { key: 'write' })).status).toBe(200)
  expect((await api.ask('/metrics')).text).toContain('wio_refused_total{limit="API_REQUESTS_PER_SECOND"} 1\n')
  await api.stop()
})

test('[E4] a wrong body counts as one more for each 8 KiB', async () => {
  const api = await startApi({ API_REQUESTS_PER_SECOND: '100' })
  const query = (body: object) => api.ask('/api/v1/users/query', { method: 'POST', key: 'read', body })
  const waitS = async () =>
    Number((await api.ask('/api/v1/count', { key: 'read' })).headers['retry-after'] ?? 0)
  expect((await query({ userIds: [{}] })).status).toBe(400)
  expect(await waitS()).toBe(0)
  // 800 KB count as 98 requests, and leave none of the burst.
  expect((await query({ userIds: ['x'.repeat(800_000)] })).json).toMatchObject({ field: 'userIds[0]' })
  expect((await query({ x: 'x'.repeat(800_000) })).status).toBe(400)
  expect(await waitS()).toBe(1)
  await api.stop()
})

test('[E4] a large answer is made in turn with others, and ends with the error of a piece', async () => {
  const slices = new Slices()
  const done: string[] = []
  const busy = (name: string) => (from: number) => {
    done.push(`${name}${from}`)
    const until = performance.now() + 3
    while (performance.now() < until);
  }
  await Promise.all([inSlices(slices, 4, 2, busy('a')), inSlices(slices, 4, 2, busy('b'))])
  expect(done).toEqual(['a0', 'b0', 'a2', 'b2'])
  const fails = inSlices(slices, 1, 1, () => {
    throw new Error('planted')
  })
  await expect(fails).rejects.toThrow('planted')
})
