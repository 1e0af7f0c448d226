import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Contender, ours } from '../contenders/contenders.ts'
import type { Run } from '../figures.ts'
import { idOf } from '../known-users.ts'
import { Stage } from '../stage.ts'
import { SMALL_YOUNG_GENERATION } from './idle.ts'
import type { Scenario, Size } from './scenario.ts'
import { type Point, slope } from './slope.ts'

const sizesOf = { full: [250_000, 500_000, 1_000_000], quick: [2_000, 10_000] }

/**
 * Known offline users: the slope of resident memory over three sizes, and how long a start with them takes.
 */
export function known(size: Size, compared: readonly Contender[] = [ours]): Scenario {
  const sizes = sizesOf[size]
  const most = (sizes.at(-1) ?? 0).toLocaleString('en-US')
  return {
    name: 'known',
    title: 'Known users: offline users that the server remembers',
    contenders: [...compared],
    forms: [
      {
        name: 'memory',
        title: `${sizes.map(count => count.toLocaleString('en-US')).join(' / ')} users: resident memory`,
        unit: 'bytes per user',
      },
      { name: 'start', title: `a server of ${most} users: from its start until it is ready`, unit: 's' },
    ],
    measure: contender => measureKnown(contender, sizes),
    goals: [
      { form: 'memory', figure: 'cost', atMost: { value: 150, unit: 'bytes' } },
      { form: 'start', figure: 'cost', atMost: { value: 5, unit: 's' } },
    ],
  }
}

/** The slope of resident memory over some numbers of known users, and how long a start with the most takes. */
export async function measureKnown(
  contender: Contender,
  sizes: readonly number[],
): Promise<{ memory: Run; start: Run }> {
  const points: Point[] = []
  let readySeconds = 0
  const invalid: string[] = []
  for (const count of sizes) {
    const dir = await mkdtemp(join(tmpdir(), 'who-is-online-bench-'))
    try {
      const restarted = {
        ...contender,
        env: (scratch: string) => ({ ...contender.env(scratch), DATA_DIR: dir }),
      }
      await remember(restarted, dir, count)
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

/**
 * Creates the state of a stopped server that knows this many users. The measured build writes it: it imports
 * a file, and stops cleanly. Meanwhile `change` may change the state.
 */
export async function remember(
  contender: Contender,
  dataDir: string,
  count: number,
  change?: (stage: Stage) => Promise<unknown>,
): Promise<void> {
  const file = join(dataDir, 'user_state.json')
  await writeFile(file, importable(count))
  await Stage.with(contender, { sockets: 0 }, async stage => {
    await change?.(stage)
    await stage.stopServer()
  })
  await checkSealed(file)
}

/** A state file without a checksum, which every build accepts, in parts because it is long. */
function* importable(count: number): Generator<string> {
  const now = Date.now()
  let separator = '{\n'
  for (let index = 0; index < count; index++) {
    const userId = idOf(index)
    const row = { userId, status: 'offline', lastSeen: new Date(now - index).toISOString() }
    yield `${separator}"${userId}": ${JSON.stringify(row)}`
    separator = ',\n'
  }
  yield '\n}\n'
}

/**
 * Checks that the server wrote the file itself: reading an imported file would be a different measurement.
 */
async function checkSealed(file: string): Promise<void> {
  const handle = await open(file)
  try {
    const { size } = await handle.stat()
    const end = Buffer.alloc(100)
    await handle.read(end, 0, end.length, Math.max(0, size - end.length))
    if (!end.includes('"checksum"')) throw new Error('the server did not save its state when it was stopped')
  } finally {
    await handle.close()
  }
}
