import { sleep, type TestClient } from '@who-is-online/testing/client'
import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { seeded } from '@who-is-online/testing/random'
import { startCluster } from '@who-is-online/testing/start-cluster'
import type { Engine } from '@who-is-online/testing/start-redis'
import type { RunningServer } from '@who-is-online/testing/start-server'
import { expect, test } from 'vitest'
import { redisCommand } from './cluster/redis-command.ts'
import { Backend, type Behaviour, SECRET } from './webhooks/backend.ts'
import { BAD, load, shown } from './webhooks/load.ts'

// A receiver that answers 500, hangs, dies and comes back under 200 changes a second, while the node that delivers is
// killed twice, and the next one is suspended in the middle of a request.

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
/** How long each phase has changes, in s. The next node takes over within 10 s. */
const PHASE_SECONDS = 16
const PATIENCE_MS = 40_000

/** Waits until exactly one of the nodes says that it delivers. Returns it. */
async function delivering(nodes: readonly RunningServer[]): Promise<RunningServer> {
  for (const until = Date.now() + PATIENCE_MS; Date.now() < until; await sleep(100)) {
    const texts = await Promise.all(
      nodes.map(async ({ origin }) => (await fetch(`${origin}/metrics`)).text()),
    )
    const found = nodes.filter((_, index) => texts[index]?.includes('\nwio_webhook_delivering 1\n'))
    if (found.length === 1) return found[0] as RunningServer
  }
  throw new Error('no node delivers')
}

/** @param keepsPlaces `false` is the control: what the endpoint was told is lost with each node */
async function run(engine: Engine, keepsPlaces: boolean): Promise<Backend> {
  const random = seeded(SEED)
  const backend = new Backend()
  await backend.start()
  const { nodes, redis, stop } = await startCluster(engine, 4, {
    settings: {
      LIMITS: 'off',
      OFFLINE_GRACE_MS: 500,
      WEBHOOK_URLS: `http://127.0.0.1:${backend.port}/`,
      WEBHOOK_SECRET: `whsec_${SECRET}`,
    },
  })
  let rest = [...nodes]
  let clients: TestClient[] = []
  let suspended: RunningServer | undefined
  const story: string[] = []
  try {
    for (const fault of ['SIGKILL', 'SIGKILL', 'SIGSTOP', 'none'] as const) {
      if (!keepsPlaces && fault === 'SIGSTOP') break
      const one = await delivering(rest)
      // The clients stay where they are: on the node that takes over last.
      const home = rest.findLast(node => node !== one) ?? one
      for (const { socket } of clients) socket.terminate()
      let request = 0
      backend.behave = () => BAD[request++ % BAD.length] as Behaviour
      const loaded = load(home, fault === 'none' ? 5 : PHASE_SECONDS, random)
      await sleep(2_000)
      await backend.stop()
      await backend.start()
      await sleep(2_000)
      // A batch is in flight, and was taken, when the node ends.
      backend.behave = () => 'lost'
      await sleep(1_000)
      story.push(`${fault} ${nodes.indexOf(one)}`)
      if (fault === 'SIGKILL') {
        await one.end('SIGKILL')
        if (!keepsPlaces) await redisCommand(redis.port, 'DEL', '{wio}:hooks')
      }
      if (fault === 'SIGSTOP') {
        process.kill(one.pid, 'SIGSTOP')
        suspended = one
      }
      if (fault !== 'none') rest = rest.filter(node => node !== one)
      backend.behave = () => BAD[request++ % BAD.length] as Behaviour
      clients = await loaded
      if (!suspended) continue
      process.kill(suspended.pid, 'SIGCONT')
      suspended = undefined
    }
    backend.behave = () => 'take'
    const last = rest.at(-1) as RunningServer
    const isEqual = async () => String(backend.copy) === String(await shown(last))
    for (let left = 400; left > 0 && !(await isEqual()); left--) await sleep(100)
    if (!(await isEqual())) backend.wrong.push('the copy differs at the end')
    console.log(
      `webhooks of a cluster: seed ${SEED}, ${story.join(', ')}, ${backend.requests} requests, ` +
        `${backend.bodies.size} messages, ${backend.repeats} repeats, ${backend.states} full states, wrong ${backend.wrong.length}`,
    )
  } finally {
    if (suspended) process.kill(suspended.pid, 'SIGCONT')
    for (const { socket } of clients) socket.terminate()
    await stop()
    await backend.stop()
  }
  return backend
}

describeOnEngines('webhooks of a cluster', engine => {
  test(`[M8 M3] a receiver that fails has each change in order, while the node that delivers is killed twice and suspended (seed ${SEED})`, async () => {
    const backend = await run(engine, true)
    expect(backend.wrong).toEqual([])
    expect(backend.states).toBe(1)
    expect(backend.requests).toBeGreaterThan(backend.bodies.size)
    expect(backend.repeats).toBeGreaterThan(0)
  }, 240_000)

  test(`control: without the stored places, the receiver gets the full state again (seed ${SEED})`, async () => {
    expect((await run(engine, false)).states).toBeGreaterThan(1)
  }, 240_000)
})
