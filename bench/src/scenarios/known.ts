import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Contender, ours } from '../contenders/contenders.ts'
import { Stage } from '../stage.ts'
import { SMALL_YOUNG_GENERATION } from './idle.ts'
import type { Scenario, Size } from './scenario.ts'
import { type Point, slope } from './slope.ts'

const sizesOf = { full: [250_000, 500_000, 1_000_000], quick: [2_000, 10_000] }

/** Users a server knows and who are not there: the slope of its resident bytes over three sizes, and how long it takes to start with them. */
export function known(size: Size): Scenario {
  const sizes = sizesOf[size]
  const most = (sizes.at(-1) ?? 0).toLocaleString('en-US')
  return {
    name: 'known',
    title: 'Known users: who was there once and is remembered',
    contenders: [ours],
    forms: [
      {
        name: 'memory',
        title: `${sizes.map(count => count.toLocaleString('en-US')).join(' / ')} users: resident memory`,
        unit: 'bytes per user',
      },
      { name: 'start', title: `a server of ${most} users: from its start until it is ready`, unit: 's' },
    ],
    play: async contender => {
      const points: Point[] = []
      let readySeconds = 0
      const invalid: string[] = []
      for (const count of sizes) {
        const dir = await mkdtemp(join(tmpdir(), 'who-is-online-bench-'))
        try {
          await remember(dir, count)
          const restarted = {
            ...contender,
            env: (scratch: string) => ({ ...contender.env(scratch), DATA_DIR: dir }),
          }
          const measured = await start(restarted)
          points.push({ count, bytes: measured.bytes })
          if (measured.known !== count)
            invalid.push(`the server knew ${measured.known} users instead of ${count}`)
          readySeconds = measured.readySeconds
        } finally {
          await rm(dir, { recursive: true, force: true })
        }
      }
      return { memory: { cost: slope(points), invalid }, start: { cost: readySeconds, invalid } }
    },
    goals: [
      { form: 'memory', figure: 'cost', atMost: { value: 150, unit: 'bytes' } },
      { form: 'start', figure: 'cost', atMost: { value: 5, unit: 's' } },
    ],
  }
}

interface Started {
  readonly bytes: number | undefined
  readonly known: number | undefined
  readonly readySeconds: number
}

function start(contender: Contender): Promise<Started> {
  return Stage.with(contender, { sockets: 0, nodeArgs: [SMALL_YOUNG_GENERATION] }, async stage => ({
    bytes: await stage.residentBytes(),
    known: await stage.metric('wio_users_known'),
    readySeconds: stage.readySeconds,
  }))
}

/** Leaves the state of a server that knew so many users and was stopped. */
async function remember(dataDir: string, count: number): Promise<void> {
  // Imported only now: it brings the server's storage along, which the other scenarios do without.
  const { createJsonFileStore } = await import('../../../server/src/storage/json-file.ts')
  const log = { info: () => {}, error: (text: string) => process.stderr.write(`${text}\n`) }
  const store = createJsonFileStore({ dataDir, log, now: Date.now })
  await store.load()
  const now = Date.now()
  await store.start(function* () {
    for (let index = 0; index < count; index++) {
      yield { userId: idOf(index), session: 'none', status: 'offline', lastSeen: now - index } as const
    }
  })
  await store.save()
  await store.close()
}

/** As long as a UUID without its dashes. */
export function idOf(index: number): string {
  return `user-${String(index).padStart(27, '0')}`
}
