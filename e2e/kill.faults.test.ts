import { cpSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { seeded } from '@who-is-online/testing/random'
import { type RunningServer, startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { expect, test } from 'vitest'

// kill -9 under load. Every change that the server acknowledged more than 150 ms before the kill must be in
// the state of the next process.

const KILLS = Number(process.env['KILLS'] ?? 50)
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
const CHANGES_PER_SECOND = 500
const USERS = 50
const DURABLE_MS = 150
const SETTINGS = { LIMITS: 'off', RESTART_GRACE_MS: 60_000, SAVE_EVERY_MS: 1_000 }

/**
 * The choices of each user in their order, and when they were acknowledged. The n-th choice also sets the
 * name n, so that the state shows how far it goes.
 */
type Choices = Map<string, { readonly status: string; acknowledgedAt?: number }[]>

/** Lets users choose at random for `ms`, with `CHANGES_PER_SECOND` choices per second in all. */
async function load(clients: Map<string, TestClient>, ms: number, random: () => number): Promise<Choices> {
  const choices: Choices = new Map()
  for (const [userId, { socket }] of clients) {
    const mine: { status: string; acknowledgedAt?: number }[] = []
    let acknowledged = 0
    choices.set(userId, mine)
    socket.on('message', data => {
      const choice = String(data).includes('"status_updated"') && mine[acknowledged++]
      if (choice) choice.acknowledgedAt = Date.now()
    })
  }
  const all = [...clients]
  const begun = Date.now()
  for (let sent = 0; Date.now() - begun < ms; ) {
    for (; sent < ((Date.now() - begun) * CHANGES_PER_SECOND) / 1_000; sent++) {
      const [userId, client] = all[Math.floor(random() * all.length)] as [string, TestClient]
      const status = random() < 0.5 ? 'online' : 'offline'
      client.send({ type: 'identify', username: String(choices.get(userId)?.length) })
      client.send({ type: 'set_status', status })
      choices.get(userId)?.push({ status })
    }
    await sleep(2)
  }
  return choices
}

/** The users for whom the state is wrong: it lacks a durable choice, or contains one that was never made. */
async function contradicted(server: RunningServer, choices: Choices, killedAt: number): Promise<string[]> {
  const looker = await TestClient.as(server, 'looker')
  const list = async (): Promise<Map<string, { status: string; username?: string }>> => {
    const { users } = await looker.ask({ type: 'get_all_users' }, 'all_users')
    return new Map(users.map((user: { userId: string }) => [user.userId, user]))
  }
  const found = await list()
  // A name set while hidden becomes visible together with the user.
  for (const userId of choices.keys()) {
    const client = await TestClient.as(server, userId)
    await client.ask({ type: 'set_status', status: 'online' }, 'status_updated')
    client.socket.terminate()
  }
  const shown = await list()
  await looker.leave()
  const wrong: string[] = []
  for (const [userId, mine] of choices) {
    const durable = mine.findLastIndex(
      ({ acknowledgedAt = Infinity }) => acknowledgedAt < killedAt - DURABLE_MS,
    )
    if (durable < 0) continue
    const status = found.get(userId)?.status
    const username = shown.get(userId)?.username
    const reached = Number(username)
    // The name is stored before its choice, or together with it.
    const possible = [mine[reached]?.status, reached > durable ? mine[reached - 1]?.status : undefined]
    if (!(reached >= durable) || !possible.includes(status)) {
      wrong.push(`${userId}: choice ${durable} was durable, found ${username} ${status}`)
    }
  }
  return wrong
}

test(`[I8] kill -9 ×${KILLS} under ${CHANGES_PER_SECOND} changes/s loses nothing older than ${DURABLE_MS} ms`, async () => {
  const random = seeded(SEED)
  const dir = temporaryDir()
  const violations: string[] = []
  let missed = 0
  let checked = 0
  let server = await startServer(dir.path, SETTINGS)
  for (let kill = 0; kill < KILLS; kill++) {
    const clients = new Map<string, TestClient>()
    for (let n = 0; n < USERS; n++) clients.set(`u${n}`, await TestClient.as(server, `u${n}`))
    // A copy of the state before the load, for the control below.
    if (kill === 0) await sleep(200)
    const older = temporaryDir()
    // Node can't copy sockets.
    const filter = (path: string) => !path.includes('.sock')
    cpSync(join(dir.path, 'data'), join(older.path, 'data'), { recursive: true, filter })
    const choices = await load(clients, 300 + random() * 1_200, random)
    const killedAt = Date.now()
    await server.end('SIGKILL')
    checked += [...choices.values()].filter(mine => mine.length > 0).length
    for (const client of clients.values()) client.socket.terminate()

    server = await startServer(dir.path, SETTINGS)
    violations.push(...(await contradicted(server, choices, killedAt)))

    if (kill % 10 === 0) missed += await controlSees(older.path, choices, killedAt)
    older.remove()
  }
  await server.end('SIGKILL')
  dir.remove()
  console.log(
    `kill -9: seed ${SEED}, N ${KILLS}, users checked ${checked}, violations ${violations.length}, ` +
      `negative control (the state before the load): ${missed} violations`,
  )
  expect(violations).toEqual([])
  expect(checked).toBeGreaterThan(KILLS * USERS * 0.5)
  // Negative control: a store that lost the load is detected.
  expect(missed).toBeGreaterThan(0)
})

/** Starts a server with the state before the load, and counts the users whose state is wrong. */
async function controlSees(dir: string, choices: Choices, killedAt: number): Promise<number> {
  rmSync(join(dir, 'data', 'lock'), { force: true })
  expect(readdirSync(join(dir, 'data')).length).toBeGreaterThan(0)
  const server = await startServer(dir, SETTINGS)
  const wrong = await contradicted(server, choices, killedAt)
  await server.end('SIGKILL')
  return wrong.length
}
