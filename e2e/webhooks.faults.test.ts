import { sleep, type TestClient } from '@who-is-online/testing/client'
import { seeded } from '@who-is-online/testing/random'
import { startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { expect, test } from 'vitest'
import { Backend, type Behaviour, SECRET } from './webhooks/backend.ts'
import { BAD, load, shown } from './webhooks/load.ts'

// A receiver that answers 500, hangs, dies and comes back under 200 changes a second, while the server is killed
// twice. The receiver is written from docs/webhooks.md: it shares no code with the server.

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
const SECONDS = Number(process.env['WEBHOOK_SECONDS'] ?? 30)

async function run(forgets: boolean): Promise<Backend> {
  const random = seeded(SEED)
  const dir = temporaryDir()
  const backend = new Backend(forgets)
  await backend.start()
  const settings = {
    LIMITS: 'off',
    RESTART_GRACE_MS: 1_000,
    WEBHOOK_URLS: `http://127.0.0.1:${backend.port}/`,
    WEBHOOK_SECRET: `whsec_${SECRET}`,
  }
  let clients: TestClient[] = []
  let server = await startServer(dir.path, settings)
  for (const life of [1, 2, 3]) {
    let request = 0
    backend.behave = () => BAD[request++ % BAD.length] as Behaviour
    const loaded = load(server, SECONDS / 3, random)
    await sleep((SECONDS * 1_000) / 9)
    await backend.stop()
    await backend.start()
    await sleep((SECONDS * 1_000) / 9)
    // A batch is in flight, and was taken, when the server is killed.
    backend.behave = () => 'lost'
    clients = await loaded
    if (life === 3) break
    await server.end('SIGKILL')
    for (const { socket } of clients) socket.terminate()
    server = await startServer(dir.path, settings)
  }
  backend.behave = () => 'take'
  const isEqual = async () => String(backend.copy) === String(await shown(server))
  for (let left = 300; left > 0 && !(await isEqual()); left--) await sleep(100)
  console.log(
    `webhooks: seed ${SEED}, ${backend.changes} changes, ${backend.requests} requests, ${backend.bodies.size} messages, ` +
      `${backend.repeats} repeats, ${backend.states} full states, equal ${await isEqual()}, wrong ${backend.wrong.length}`,
  )
  if (!(await isEqual())) backend.wrong.push('the copy differs at the end')
  for (const { socket } of clients) socket.terminate()
  expect(await server.end('SIGTERM')).toBe(0)
  await backend.stop()
  dir.remove()
  return backend
}

test(`[M1 M3] a receiver that fails has each change in order, while the server is killed twice (seed ${SEED})`, async () => {
  const backend = await run(false)
  expect(backend.wrong).toEqual([])
  expect(backend.requests).toBeGreaterThan(backend.bodies.size)
  expect(backend.repeats).toBeGreaterThan(0)
})

test(`control: a receiver that says it took what it forgot lacks changes (seed ${SEED})`, async () => {
  expect((await run(true)).wrong.join()).toContain('follows')
})
