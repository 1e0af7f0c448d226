import { sleep } from '@who-is-online/testing/client'
import { seeded } from '@who-is-online/testing/random'
import { lineOf } from './copied-users.ts'
import type { Copy } from './copy.ts'
import { HookCopy } from './hook-copy.ts'
import { Load, type LoadedServers } from './load.ts'
import type { PageUser } from './page.ts'
import { PollCopy } from './poll-copy.ts'
import { StreamCopy } from './stream-copy.ts'

/** The servers of a run: one, or the nodes of a cluster. */
export interface Stage {
  readonly servers: LoadedServers
  /** Ends a server, by a kill or orderly, and starts it again. */
  readonly restart: (random: () => number) => Promise<string>
  readonly stop: () => Promise<void>
}

/** Starts the servers. `webhookUrl` is the endpoint of the copy that is fed by webhooks. */
export type StartStage = (webhookUrl: string) => Promise<Stage>

export interface RunOptions {
  readonly seed: number
  readonly start: StartStage
  /** `false` is the control. */
  readonly resumes?: boolean
  readonly lives?: number
  /** How long the copies may take in the end, in ms. Default: an endpoint that failed is tried again within 30 s. */
  readonly patienceMs?: number
}

export interface RunResult {
  /** What happened, for the report of a failure. */
  readonly story: readonly string[]
  /** What is wrong with each copy; empty if all are equal to the view of the server. */
  readonly problems: readonly string[]
  /** How many full states and pages of changes the copies were told. */
  readonly states: number
  readonly pages: number
}

const CHANGES_PER_SECOND = 150

const PATIENCE_MS = 30_000

/** The same for a control, in ms. */
const CONTROL_MS = 4_000

/** Plays faults, and compares three copies with the view of the server. */
export async function run({
  seed,
  start,
  resumes = true,
  lives = 3,
  patienceMs = PATIENCE_MS,
}: RunOptions): Promise<RunResult> {
  const random = seeded(seed)
  // Each has numbers of its own: how often one draws depends on the time.
  const fork = () => seeded(Math.floor(random() * 2 ** 31))
  const hook = new HookCopy({ random: fork(), resumes })
  await hook.start()
  const stage = await start(hook.url)
  const origins = () => stage.servers().map(({ origin }) => origin)
  const readers = [PollCopy, StreamCopy].map(Reader => new Reader({ origins, random: fork(), resumes }))
  for (const reader of readers) reader.start()
  const copies: readonly Copy[] = [...readers, hook]
  const load = new Load(stage.servers, fork())
  const story: string[] = []
  try {
    for (let life = 1; life <= lives; life++) {
      const bad = copies.filter(() => random() < 0.6)
      for (const copy of copies) copy.behave(bad.includes(copy))
      story.push(`life ${life}: ${bad.map(({ name }) => name).join(', ') || 'nobody'} bad`)
      await load.run(400 + random() * 600, CHANGES_PER_SECOND)
      const isDown = random() < 0.3
      if (isDown) {
        story.push('the receiver is down')
        await hook.stop()
      }
      if (life < lives) {
        const loading = random() < 0.5 ? load.run(200, CHANGES_PER_SECOND) : undefined
        story.push(await stage.restart(random))
        await loading
        load.drop()
      }
      await load.run(100 + random() * 300, CHANGES_PER_SECOND)
      if (isDown) await hook.start()
    }
    for (const copy of copies) copy.behave(false)
    const problems = await compare(copies, origins, resumes ? patienceMs : CONTROL_MS)
    const sum = (key: 'states' | 'pages') => copies.reduce((total, { users }) => total + users[key], 0)
    return { story, problems, states: sum('states'), pages: sum('pages') }
  } finally {
    load.drop()
    await Promise.all(readers.map(reader => reader.stop()))
    await stage.stop()
    await hook.stop()
  }
}

/** Waits until all copies are equal to the view of each server. Returns what is wrong after that. */
async function compare(
  copies: readonly Copy[],
  origins: () => readonly string[],
  patienceMs: number,
): Promise<string[]> {
  const until = Date.now() + patienceMs
  for (;;) {
    const views = await Promise.all(origins().map(viewOf))
    const wrong = copies.flatMap(({ name, users }) =>
      views.flatMap(view => {
        const difference = differenceOf(users.lines, view)
        return difference.length > 0 ? [`${name} at ${users.place}: ${difference.join('; ')}`] : []
      }),
    )
    if (wrong.length === 0 || Date.now() > until) {
      return [...wrong, ...copies.flatMap(({ name, users }) => users.wrong.map(text => `${name}: ${text}`))]
    }
    await sleep(100)
  }
}

/** Who is not offline, as a server lists them. */
async function viewOf(origin: string): Promise<string[]> {
  const response = await fetch(`${origin}/api/v1/users?limit=1000`)
  // A node that has just started, or begins again, may not know all users yet.
  if (!response.ok) return [`an answer: ${response.status} ${await response.text()}`]
  const { users } = (await response.json()) as { users: readonly PageUser[] }
  return users
    .filter(({ status }) => status !== 'offline')
    .map(lineOf)
    .toSorted()
}

function differenceOf(copy: readonly string[], view: readonly string[]): string[] {
  return [
    ...copy.filter(line => !view.includes(line)).map(line => `only the copy has ${line}`),
    ...view.filter(line => !copy.includes(line)).map(line => `the copy lacks ${line}`),
  ]
}
