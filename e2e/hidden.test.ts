import { sleep, TestClient } from '@who-is-online/testing/client'
import { useServer } from '@who-is-online/testing/use-server'
import { expect, test } from 'vitest'

// Exact invisibility (XEP-0186). For every request, the replies about a hidden user, about one who left at
// the same time and about an unknown one differ only in ids and `lastSeen`. That difference is documented:
// the time of hiding or leaving, or null.

const server = useServer()

/** Three user ids of the same length, so that even the lengths of replies must be equal. */
const [HIDDEN, ABSENT, UNKNOWN] = ['user-h', 'user-a', 'user-u']

/** Removes what may differ: ids, request ids, times and numbers. */
function normalised(text: string): string {
  return text
    .replaceAll(/user-[hau]/g, 'USER')
    .replaceAll(/"lastSeen":("[^"]*"|null)/g, '"lastSeen":SEEN')
    .replaceAll(/"timestamp":"[^"]*"/g, '"timestamp":TIME')
    .replaceAll(/"(seq|prevSeq)":\d+/g, '"$1":N')
}

/** Every request about one user, in both protocol versions. */
const questions: readonly [string, 'v1' | 'v2', (userId: string) => readonly object[]][] = [
  ['check_user_status', 'v1', userId => [{ type: 'check_user_status', targetUserId: userId }]],
  ['check_user_status', 'v2', userId => [{ type: 'check_user_status', targetUserId: userId }]],
  ['get_users', 'v2', userId => [{ type: 'get_users', userIds: [userId] }]],
  ['subscribe', 'v2', userId => [{ type: 'subscribe', userIds: [userId] }]],
  ['unsubscribe', 'v2', userId => [{ type: 'unsubscribe', userIds: [userId] }]],
]

test('[R4 V13] replies about a hidden user equal those about one who left and about an unknown one', async () => {
  const asker = { v1: await TestClient.as(server, 'v1-asker'), v2: await TestClient.v2(server, 'v2-asker') }
  const list = async (client: TestClient, message: object) => {
    client.send(message)
    return JSON.parse(await client.text())
  }
  const hidden = await TestClient.v2(server, HIDDEN)
  const absent = await TestClient.v2(server, ABSENT)
  // The arrivals of the other client, the hidden user and the absent user.
  for (let arrivals = 0; arrivals < 3; arrivals++) await asker.v1.next('user_status_change')
  const begun = Date.now()
  await hidden.ask({ type: 'set_status', status: 'offline', text: 'nobody sees this' }, 'status_updated')
  await absent.leave()
  await asker.v1.next('user_status_change')
  await asker.v1.next('user_status_change')
  const ended = Date.now()
  // Later activity of a hidden user changes nothing.
  await sleep(30)
  hidden.send({ type: 'identify', username: 'Nobody' })
  hidden.send({ type: 'set_activity', state: 'idle' })
  hidden.send({ type: 'set_status', status: 'offline', text: 'still nobody' })
  hidden.send({ type: 'ping', id: 'heard' })
  await hidden.next('pong')
  const table: Record<string, string> = {}
  for (const [name, version, ask] of questions) {
    const answers: string[] = []
    for (const userId of [HIDDEN, ABSENT, UNKNOWN] as string[]) {
      for (const message of ask(userId)) asker[version].send(message)
      const text = await asker[version].text()
      answers.push(normalised(text))
      const { lastSeen } = JSON.parse(text).users?.[0] ?? JSON.parse(text)
      if (lastSeen === undefined) continue
      if (userId === UNKNOWN) expect(lastSeen).toBeNull()
      else {
        expect(Date.parse(lastSeen)).toBeGreaterThanOrEqual(begun - 5)
        expect(Date.parse(lastSeen)).toBeLessThanOrEqual(ended)
      }
    }
    expect(new Set(answers).size, `${version} ${name}: ${answers.join(' | ')}`).toBe(1)
    table[`${version} ${name}`] = answers[0] as string
  }
  expect(table).toMatchObject({ 'v1 check_user_status': expect.stringContaining('"online":false') })

  // Lists contain the hidden and the absent user in the same form, and not the unknown one.
  for (const [client, message] of [
    [asker.v1, { type: 'get_all_users' }],
    [asker.v2, { type: 'get_all_users' }],
    [asker.v2, { type: 'list_users' }],
    [asker.v2, { type: 'list_users', status: 'offline' }],
    [asker.v2, { type: 'subscribe', all: true }],
  ] as const) {
    const { users } = await list(client, message)
    const items = [HIDDEN, ABSENT].map(id => users.find((user: { userId: string }) => user.userId === id))
    expect(normalised(JSON.stringify(items[0])), JSON.stringify(message)).toBe(
      normalised(JSON.stringify(items[1])),
    )
    expect(users.some((user: { userId: string }) => user.userId === UNKNOWN)).toBe(false)
  }
  const { users } = await list(asker.v2, { type: 'list_users', status: 'online' })
  expect(users.map((user: { userId: string }) => user.userId).toSorted()).toEqual(['v1-asker', 'v2-asker'])
  for (const client of [asker.v1, asker.v2]) {
    expect((await list(client, { type: 'get_online_count' })).count).toBe(2)
  }

  // Neither the leaving nor the hidden return of a hidden user is a change.
  const gone = await TestClient.v2(server, 'user-x')
  await gone.leave()
  await sleep(100)
  asker.v1.texts.length = 0
  asker.v2.texts.length = 0
  await hidden.leave()
  await sleep(200)
  expect([...asker.v1.texts, ...asker.v2.texts]).toEqual([])
})

test('[V13] metrics count a hidden user as known, but not as online', async () => {
  const hidden = await TestClient.v2(server, 'user-m')
  const online = async () =>
    Number(/^wio_users_online (\d+)$/m.exec(await (await fetch(`${server.origin}/metrics`)).text())?.[1])
  const before = await online()
  await hidden.ask({ type: 'set_status', status: 'offline' }, 'status_updated')
  expect(await online()).toBe(before - 1)
  await hidden.leave()
})

test('[V13] the own connections of a hidden user receive the real status', async () => {
  const laptop = await TestClient.v2(server, 'user-o')
  await laptop.ask({ type: 'set_status', status: 'offline' }, 'status_updated')
  const phone = await TestClient.v2(server, 'user-o')
  expect(await phone.next('status_updated')).toMatchObject({ status: 'offline' })
  await laptop.leave()
  await phone.leave()
})
