import { createClient, type PresenceClient } from '@who-is-online/client'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { until } from '@who-is-online/testing/shell-server'
import { type ServerSettings, startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'

// A real server is down for more than a minute, while real clients keep reconnecting.

const CLIENTS = 40
const AWAY_MS = Number(process.env['AWAY_MS'] ?? 75_000)
/** After the longest grace and some margin, it is known who was shown as offline. */
const WATCHED_MS = 40_000

interface Outcome {
  /** Users who were shown as offline after the server was back. */
  readonly offline: readonly string[]
  /** When each client was back, in ms after the server, in ascending order. */
  readonly back: readonly number[]
}

/** Stops the server, starts it again, and observes what others see of the clients. */
async function outage(settings: ServerSettings, slower: number): Promise<Outcome> {
  const dir = temporaryDir()
  const before = await startServer(dir.path, settings)
  const clients = Array.from({ length: CLIENTS }, (_, n) =>
    createClient({
      url: before.url,
      userId: `user-${n}`,
      WebSocket,
      // Scales all waits. With a factor of three, up to 30 s, the client waits as an earlier version did.
      platform: { random: () => slower * Math.random() },
    }),
  )
  await until('all clients are connected', () => clients.every(isOpen), 20_000)
  expect(await before.end('SIGTERM')).toBe(0)
  await sleep(AWAY_MS)
  const after = await startServer(dir.path, { ...settings, PORT: before.port })
  const returned = Date.now()
  const observer = await TestClient.as(after, 'observer')
  const back: number[] = []
  for (const client of clients) {
    const note = (): number | false => isOpen(client) && back.push(Date.now() - returned)
    if (!note()) client.onConnectionChange(note)
  }
  await sleep(WATCHED_MS)
  const offline = observer.texts
    .map(text => JSON.parse(text))
    .filter(change => change.status === 'offline')
    .map(change => change.userId)
  for (const client of clients) client.close()
  await after.end('SIGTERM')
  dir.remove()
  return { offline, back: back.toSorted((one, other) => one - other) }
}

function isOpen(client: PresenceClient): boolean {
  return client.connectionStatus === 'open'
}

test(`[J14] after ${AWAY_MS} ms of downtime, no user whose client keeps reconnecting is shown as offline`, async () => {
  const [now, tight, control] = await Promise.all([
    outage({}, 1),
    outage({ RESTART_GRACE_MS: 15_000 }, 1),
    outage({ RESTART_GRACE_MS: 15_000 }, 3),
  ])
  const figures = ({ back, offline }: Outcome): string =>
    `violations ${offline.length}, back after p50 ${back[CLIENTS / 2]} ms, max ${back.at(-1)} ms`
  console.log(
    `N=${CLIENTS}: ${figures(now)}; grace of 15 s: ${figures(tight)}; control, also waits of up to 30 s: ${figures(control)}`,
  )
  expect(now.back).toHaveLength(CLIENTS)
  expect(now.offline).toEqual([])
  // The same grace; only the waits of the client differ.
  expect(tight.offline).toEqual([])
  expect(control.offline).not.toEqual([])
})
