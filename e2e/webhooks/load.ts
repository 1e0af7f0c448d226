import { sleep, TestClient } from '@who-is-online/testing/client'
import type { RunningServer } from '@who-is-online/testing/start-server'
import type { Behaviour } from './backend.ts'

const CHANGES_PER_SECOND = 200
const USERS = 60
const STATUSES = ['online', 'busy', 'away', 'offline'] as const

/** Who is not offline, as the server lists them. */
export async function shown({ origin }: RunningServer): Promise<string[]> {
  const response = await fetch(`${origin}/api/v1/users?limit=1000`)
  const { users } = (await response.json()) as { users: { userId: string; status: string }[] }
  return users
    .filter(({ status }) => status !== 'offline')
    .map(({ userId, status }) => `${userId} ${status}`)
    .toSorted()
}

/** Lets users come, go and choose for some seconds, 200 times a second. The connections stay open. */
export async function load(
  server: RunningServer,
  seconds: number,
  random: () => number,
): Promise<TestClient[]> {
  const clients: TestClient[] = []
  for (let user = 0; user < USERS; user++) clients.push(await TestClient.v2(server, `u${user}`))
  const chosen = new Map<TestClient, number>()
  const until = Date.now() + seconds * 1_000
  for (let sent = 0, begun = Date.now(); Date.now() < until; await sleep(5)) {
    for (; sent < ((Date.now() - begun) * CHANGES_PER_SECOND) / 1_000; sent++) {
      const client = clients[Math.floor(random() * USERS)] as TestClient
      const next = ((chosen.get(client) ?? 0) + 1 + Math.floor(random() * 3)) % STATUSES.length
      chosen.set(client, next)
      client.texts.length = 0
      client.send({ type: 'set_status', status: STATUSES[next] })
    }
  }
  return clients
}

/** How the receiver treats the requests of each server process, one after the other. */
export const BAD: readonly Behaviour[] = [
  ...(['lost', 'take', 'take', 'lost', 'take', 'fail', 'take', 'close'] as const),
  ...(['take', 'take', 'fail', 'fail', 'take', 'hang'] as const),
]
