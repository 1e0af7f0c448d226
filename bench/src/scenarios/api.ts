import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Contender, ours } from '../contenders/contenders.ts'
import type { Form, Run } from '../figures.ts'
import { type Goal, number, percent } from '../goals.ts'
import { API_KEYS } from '../load/api-requests.ts'
import type { ApiCall, ApiFlood } from '../load/orders.ts'
import { type Measured, Stage } from '../stage.ts'
import { remember } from './known.ts'
import { run, type Scenario, type Size, spoiledBy } from './scenario.ts'

const sizes = {
  full: {
    known: 1_000_000,
    leases: 10_000,
    clients: 1_000,
    drivers: 100,
    perSecond: 500,
    seconds: 3,
    callSeconds: 1.2,
    warmUp: 1,
  },
  quick: {
    known: 12_000,
    leases: 1_500,
    clients: 20,
    drivers: 10,
    perSecond: 100,
    seconds: 0.2,
    callSeconds: 0.1,
    warmUp: 0.1,
  },
}

type Sizes = (typeof sizes)[Size]

/** A kind of call that is measured. */
interface Kind {
  readonly title: string
  readonly call: (sizes: Sizes) => ApiCall
  /** As how many requests the server counts it. */
  readonly weight: number
  /** The most CPU time of the server for one call, in ms. */
  readonly goalMs?: number
}

const LIMIT = 1_000

const kinds: Readonly<Record<string, Kind>> = {
  query: {
    title: '`POST /users/query` of 10,000 users',
    call: ({ known }) => ({ name: 'query', ids: 10_000, of: known }),
    weight: 11,
    goalMs: 20,
  },
  detail: {
    title: '`POST /users/query` of 500 users, with `detail`',
    call: ({ known }) => ({ name: 'query', ids: 500, of: known, detail: true }),
    weight: 1,
  },
  list: {
    title: '`GET /users?limit=1000`, page after page',
    call: () => ({ name: 'list', limit: LIMIT }),
    weight: 1,
  },
  online: {
    title: '`GET /users?status=online&limit=1000`, page after page',
    call: () => ({ name: 'list', limit: LIMIT, status: 'online' }),
    weight: 1,
  },
  changes: {
    title: '`GET /changes?limit=1000`, page after page',
    call: () => ({ name: 'changes', limit: LIMIT }),
    weight: 1,
  },
  state: {
    title: 'the full state from `GET /changes?limit=1000`, page after page',
    call: () => ({ name: 'state', limit: LIMIT }),
    weight: 1,
  },
  user: { title: '`GET /users/{userId}`', call: ({ known }) => ({ name: 'user', of: known }), weight: 1 },
}

/** The default of API_REQUESTS_PER_SECOND: no key may send more. */
const REQUESTS_PER_SECOND = 100

/** A connection that sends calls as fast as it can. */
interface Greedy {
  readonly title: string
  /** Whether the key has its usual limit. Without it, only the order in which the server works protects others. */
  readonly isLimited: boolean
  /** A flood never waits for an answer; a pipeline has 16 calls waiting, the most that the server allows. */
  readonly sends: ApiFlood | ((sizes: Sizes) => ApiCall)
}

/** One request is answered, and 16 wait. */
const MOST_AT_ONCE = 16

const greedy: Readonly<Record<string, Greedy>> = {
  'flood of users': {
    title: 'a connection that sends `GET /users/{userId}` without a pause',
    isLimited: true,
    sends: 'user',
  },
  'flood of queries': {
    title: 'a connection that sends queries of 10,000 users without a pause',
    isLimited: true,
    sends: 'query',
  },
  'pipeline of users': {
    title: 'a connection with 16 × `GET /users/{userId}` waiting, and no limit of its key',
    isLimited: false,
    sends: ({ known }) => ({ name: 'user', of: known }),
  },
  'pipeline of queries': {
    title: 'a connection with 16 queries of 10,000 users waiting, and no limit of its key',
    isLimited: false,
    sends: ({ known }) => ({ name: 'query', ids: 10_000, of: known }),
  },
}

/** How many calls a second the honest client sends beside them. */
const HONEST_PER_SECOND = 50

/** The goal of the firehose itself, in ms; see firehose.ts. */
const FIREHOSE_P99_MS = 60

/** How much longer the firehose may take because of calls: less than it varies from run to run. */
const SLOWER = 1.25

/** How long an honest client may wait for an answer beside a greedy one, in ms, as in a flood. */
const HONEST_P99_MS = 100

const FIREHOSE_UNIT = 'ms until 99 % of the firehose arrived'
const ALONE = 'alone'

const besideOf = (name: string) => `${name} beside`
const aloneOf = (name: string) => `${name} alone`

/**
 * The HTTP API of a server that knows a million users: what a call costs, and whether calls slow down others. The
 * firehose beside is that of the scenario of this name.
 */
export function api(size: Size, contenders: readonly Contender[] = [ours]): Scenario {
  const { known, leases } = sizes[size]
  return {
    name: 'api',
    title: `HTTP API: calls to a server that knows ${known.toLocaleString('en-US')} users`,
    contenders: [...contenders],
    forms: [
      ...Object.entries(kinds).flatMap(([name, { title, weight }]): Form[] => [
        { name, title, unit: 'ms of CPU for one call', counted: 'calls' },
        {
          name: besideOf(name),
          title: `beside a firehose: ${rateOf(weight)} × ${title} a second`,
          unit: FIREHOSE_UNIT,
          counted: 'calls',
          beside: { form: aloneOf(name), as: ALONE },
        },
      ]),
      ...Object.entries(greedy).map(
        ([name, { title }]): Form => ({
          name,
          title: `beside a firehose: ${title}`,
          unit: FIREHOSE_UNIT,
          beside: { form: aloneOf(name), as: ALONE },
        }),
      ),
    ],
    measure: async contender => {
      const dir = await mkdtemp(join(tmpdir(), 'who-is-online-bench-'))
      try {
        let leased: Measured | undefined
        await remember(withKeys(contender, dir), dir, known, async stage => {
          leased = await stage.measure({ do: 'lease', users: leases })
        })
        const runs = {
          ...(await measureCalls(contender, dir, sizes[size])),
          ...(await measureLimited(contender, dir, sizes[size])),
        }
        return withProblems(leased ? [leased] : [], runs)
      } finally {
        await rm(dir, { recursive: true, force: true })
      }
    },
    goals: [
      ...Object.entries(kinds).flatMap(([name, { goalMs }]): Goal[] => [
        ...(goalMs ? [{ form: name, figure: 'cost' as const, atMost: { value: goalMs, unit: 'ms' } }] : []),
        ...staysFast(besideOf(name)),
      ]),
      ...Object.keys(greedy).flatMap((name): Goal[] => [
        ...staysFast(name),
        { form: name, figure: 'p99', atMost: { value: HONEST_P99_MS, unit: 'ms' } },
      ]),
    ],
  }
}

function staysFast(form: string): Goal[] {
  return [
    { form, figure: 'cost', atMost: { value: FIREHOSE_P99_MS, unit: 'ms' } },
    { form, figure: 'cost', atMost: { times: SLOWER, than: ALONE } },
  ]
}

/** How many calls a second a key may send. */
function rateOf(weight: number): number {
  return Math.floor(REQUESTS_PER_SECOND / weight)
}

/** Each kind of call alone, then the firehose alone, and then both. */
function measureCalls(build: Contender, dir: string, sizes: Sizes): Promise<Record<string, Run>> {
  const { seconds, callSeconds } = sizes
  return withFirehose(build, dir, sizes, {}, async (stage, before) => {
    const runs: Record<string, Run> = {}
    for (const [name, kind] of Object.entries(kinds)) {
      const call = kind.call(sizes)
      // Not measured: code that was not compiled yet.
      before.push(await stage.measure({ do: 'calls', call, seconds: callSeconds / 2 }, 'third'))
      const alone = await stage.measure({ do: 'calls', call, seconds: callSeconds }, 'third')
      runs[name] = run(alone.cpuSeconds && (alone.cpuSeconds / alone.count.counted) * 1_000, alone)
      const quiet = await stage.measure(changesOf(sizes), 'second')
      const [busy, called] = await Promise.all([
        stage.measure(changesOf(sizes), 'second'),
        stage.measure({ do: 'calls', call, seconds, perSecond: rateOf(kind.weight) }, 'third'),
      ])
      runs[aloneOf(name)] = firehoseRun(quiet)
      runs[besideOf(name)] = firehoseRun(busy, called)
    }
    Object.assign(runs, await measureGreedy(stage, sizes, false))
    return withProblems(before, runs)
  })
}

function measureLimited(build: Contender, dir: string, sizes: Sizes): Promise<Record<string, Run>> {
  // With all limits, but those that the firehose would exceed.
  const limits = { LIMITS: 'on', STATUS_CHANGES_PER_WINDOW: '30000', HANDSHAKES_PER_SECOND: '100000' }
  return withFirehose(build, dir, sizes, limits, async (stage, before) =>
    withProblems(before, await measureGreedy(stage, sizes, true)),
  )
}

/** A greedy connection and an honest one beside a firehose, and the firehose alone. */
async function measureGreedy(stage: Stage, sizes: Sizes, isLimited: boolean): Promise<Record<string, Run>> {
  const { seconds, known } = sizes
  const runs: Record<string, Run> = {}
  for (const [name, { sends, isLimited: isTheirs }] of Object.entries(greedy)) {
    if (isTheirs !== isLimited) continue
    runs[aloneOf(name)] = firehoseRun(await stage.measure(changesOf(sizes), 'second'))
    const [flooded, busy, called] = await Promise.all([
      typeof sends === 'string'
        ? stage.measure({ do: 'flood', kind: sends, connections: 1, seconds })
        : stage.measure({ do: 'pipeline', call: sends(sizes), atOnce: MOST_AT_ONCE, seconds }),
      stage.measure(changesOf(sizes), 'second'),
      stage.measure(
        { do: 'calls', call: { name: 'user', of: known }, seconds, perSecond: HONEST_PER_SECOND },
        'third',
      ),
    ])
    const beside = firehoseRun(busy, called)
    runs[name] = { ...beside, remarks: [...(beside.remarks ?? []), greedOf(flooded)] }
  }
  return runs
}

/** What a greedy connection had, for the reader. */
function greedOf({ count: { counted, bytes, sentBytes, seconds } }: Measured): string {
  const perSecond = (amount: number, unit: string) => `${number(amount / seconds)} ${unit}/s`
  const sent =
    sentBytes === undefined ? perSecond(counted, 'answers') : `sent ${perSecond(sentBytes, 'bytes')}`
  return `the greedy connection ${sentBytes === undefined ? 'got ' : ''}${sent}, and ${perSecond(bytes, 'bytes')} came back`
}

/** What a firehose was like; with `called`, beside calls, whose figures come with it. */
function firehoseRun(firehose: Measured, called?: Measured): Run {
  const { cost, carried, busy, invalid } = run(firehose.count.latencyMs?.p99, firehose)
  if (!called) return { cost, invalid }
  const { latencyMs, delivered, ...calls } = run(undefined, called)
  return {
    cost,
    ...(carried !== undefined && { carried }),
    ...(latencyMs && { latencyMs }),
    ...(delivered && { delivered }),
    ...(busy && { busy }),
    invalid: [...invalid, ...calls.invalid],
    remarks: calls.carried !== undefined && calls.carried < 0.95 ? [tooSlow(calls.carried)] : [],
  }
}

function tooSlow(carried: number): string {
  return `the server answered only ${percent(carried)} of the calls in time`
}

function withProblems(before: readonly Measured[], runs: Record<string, Run>): Record<string, Run> {
  return Object.fromEntries(Object.entries(runs).map(([form, run]) => [form, spoiledBy(before, run)]))
}

function changesOf({ perSecond, seconds }: Sizes) {
  return { do: 'changes', perSecond, seconds } as const
}

/** The same build with keys of the API, and with its state in a directory. */
function withKeys(build: Contender, dir: string, settings: Readonly<Record<string, string>> = {}): Contender {
  const { honest, greedy } = API_KEYS
  const own = { API_KEYS: `honest:write:${honest},greedy:read:${greedy}`, DATA_DIR: dir, ...settings }
  return { ...build, env: scratch => ({ ...build.env(scratch), ...own }) }
}

/** Starts a server with a copy of the known users, and connects the clients of the firehose. */
async function withFirehose<T>(
  build: Contender,
  dir: string,
  { clients, drivers, perSecond, warmUp }: Sizes,
  settings: Readonly<Record<string, string>>,
  play: (stage: Stage, before: Measured[]) => Promise<T>,
): Promise<T> {
  const own = await mkdtemp(join(tmpdir(), 'who-is-online-bench-'))
  await cp(dir, own, { recursive: true })
  try {
    return await Stage.with(
      withKeys(build, own, settings),
      { sockets: clients + drivers + 10, loads: 3 },
      async stage => {
        const { broadcastsArrivals } = stage
        const connect = { do: 'connect', listeners: clients, drivers, atOnce: clients + drivers } as const
        const before = [
          await stage.measure({ ...connect, broadcastsArrivals }, 'second'),
          await stage.measure({ do: 'changes', perSecond, seconds: warmUp }, 'second'),
        ]
        return play(stage, before)
      },
    )
  } finally {
    await rm(own, { recursive: true, force: true })
  }
}
