import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { encode } from './encode.ts'

// Runs the program in docs/protocol-v2.md, unchanged, against a fake WebSocket.

const page = readFileSync(new URL('../../docs/protocol-v2.md', import.meta.url), 'utf8')
const [program = ''] = [...page.matchAll(/```js\n([^`]*connect\(\)\n)```/g)].map(match => match[1] as string)

class FakeSocket {
  static readonly all: FakeSocket[] = []
  readonly sent: unknown[] = []
  onopen = (): void => {}
  onmessage = (_event: { data: string }): void => {}
  onclose = (_event: { code: number }): void => {}

  readonly protocol: string

  constructor(_url: string, protocol: string) {
    this.protocol = protocol
    FakeSocket.all.push(this)
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text))
  }

  receive(message: Parameters<typeof encode>[0]): void {
    this.onmessage({ data: encode(message, 'v2') })
  }
}

test('the program of the docs subscribes, applies diffs, detects a gap and resumes', () => {
  const waiting: (() => void)[] = []
  const run = new Function('WebSocket', 'setTimeout', `${program}; return users`)
  const users: Map<string, { status: string }> = run(FakeSocket, (retry: () => void) => waiting.push(retry))
  const statuses = () => [...users].map(([userId, { status }]) => `${userId} ${status}`)
  const user = (userId: string, status: 'online' | 'busy' | 'offline') => ({ userId, status, lastSeen: null })
  const subscribe = { type: 'subscribe', userIds: ['ann', 'bob'] }
  const state = { type: 'presence_state', epoch: 'e', recovered: false } as const

  const [first] = FakeSocket.all as [FakeSocket]
  expect(first.protocol).toBe('who-is-online.v2')
  first.onopen()
  expect(first.sent).toEqual([subscribe])
  first.receive({ ...state, seq: 4, users: [user('ann', 'online')], last: false })
  first.receive({ ...state, seq: 5, users: [user('bob', 'offline')], last: true })
  first.receive({ type: 'presence_diff', prevSeq: 5, seq: 8, users: [user('bob', 'busy')] })
  first.receive({ type: 'pong' })
  expect(statuses()).toEqual(['ann online', 'bob busy'])

  first.receive({ type: 'presence_diff', prevSeq: 9, seq: 10, users: [user('ann', 'offline')] })
  const again = { ...subscribe, since: { epoch: 'e', seq: 8 } }
  expect(first.sent).toEqual([subscribe, again])
  expect(statuses()).toEqual(['ann online', 'bob busy'])
  first.receive({ ...state, seq: 10, users: [user('ann', 'offline')], last: true, recovered: true })
  expect(statuses()).toEqual(['ann offline', 'bob busy'])

  first.onclose({ code: 4503 })
  waiting.pop()?.()
  const second = FakeSocket.all[1] as FakeSocket
  second.onopen()
  expect(second.sent).toEqual([{ ...subscribe, since: { epoch: 'e', seq: 10 } }])
  second.onclose({ code: 4409 })
  expect(waiting).toEqual([])
})
