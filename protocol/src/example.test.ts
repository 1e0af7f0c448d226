import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { encode } from './encode.ts'

// The program in docs/protocol-v2.md, run as it stands there against a server that is played here.

const page = readFileSync(new URL('../../docs/protocol-v2.md', import.meta.url), 'utf8')
const [program = ''] = [...page.matchAll(/```js\n([^`]*connect\(\)\n)```/g)].map(match => match[1] as string)

class PlayedSocket {
  static readonly all: PlayedSocket[] = []
  readonly sent: unknown[] = []
  onopen = (): void => {}
  onmessage = (_event: { data: string }): void => {}
  onclose = (_event: { code: number }): void => {}

  readonly protocol: string

  constructor(_url: string, protocol: string) {
    this.protocol = protocol
    PlayedSocket.all.push(this)
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text))
  }

  say(message: Parameters<typeof encode>[0]): void {
    this.onmessage({ data: encode(message, 'v2') })
  }
}

test('the program of the docs follows, folds, notices a hole, and resumes', () => {
  const waiting: (() => void)[] = []
  const run = new Function('WebSocket', 'setTimeout', `${program}; return users`)
  const users: Map<string, { status: string }> = run(PlayedSocket, (retry: () => void) => waiting.push(retry))
  const seen = () => [...users].map(([userId, { status }]) => `${userId} ${status}`)
  const user = (userId: string, status: 'online' | 'busy' | 'offline') => ({ userId, status, lastSeen: null })
  const subscribe = { type: 'subscribe', userIds: ['ann', 'bob'] }
  const state = { type: 'presence_state', epoch: 'e', recovered: false } as const

  const [first] = PlayedSocket.all as [PlayedSocket]
  expect(first.protocol).toBe('who-is-online.v2')
  first.onopen()
  expect(first.sent).toEqual([subscribe])
  first.say({ ...state, seq: 4, users: [user('ann', 'online')], last: false })
  first.say({ ...state, seq: 5, users: [user('bob', 'offline')], last: true })
  first.say({ type: 'presence_diff', prevSeq: 5, seq: 8, users: [user('bob', 'busy')] })
  first.say({ type: 'pong' })
  expect(seen()).toEqual(['ann online', 'bob busy'])

  first.say({ type: 'presence_diff', prevSeq: 9, seq: 10, users: [user('ann', 'offline')] })
  const again = { ...subscribe, since: { epoch: 'e', seq: 8 } }
  expect(first.sent).toEqual([subscribe, again])
  expect(seen()).toEqual(['ann online', 'bob busy'])
  first.say({ ...state, seq: 10, users: [user('ann', 'offline')], last: true, recovered: true })
  expect(seen()).toEqual(['ann offline', 'bob busy'])

  first.onclose({ code: 4503 })
  waiting.pop()?.()
  const second = PlayedSocket.all[1] as PlayedSocket
  second.onopen()
  expect(second.sent).toEqual([{ ...subscribe, since: { epoch: 'e', seq: 10 } }])
  second.onclose({ code: 4409 })
  expect(waiting).toEqual([])
})
