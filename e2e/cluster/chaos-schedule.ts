import { seeded } from '@who-is-online/testing/random'

/** What is done to a node or to Redis. */
export const KINDS = [
  'kill',
  'stop',
  'freeze',
  'freezeLong',
  'delay',
  'stall',
  'stallLong',
  'cut',
  'freezeRedis',
  'restartRedis',
  'flushRedis',
] as const

export type Kind = (typeof KINDS)[number]

export interface Fault {
  readonly kind: Kind
  /** The node; without a meaning for Redis. */
  readonly node: number
  /** How long it lasts, or how long a node stays away, in ms. */
  readonly ms: number
  /** The delay of a packet, in ms. */
  readonly delayMs: number
}

/** Faults that begin together, and how long the cluster works before them, in ms. */
export interface Step {
  readonly quietMs: number
  readonly faults: readonly Fault[]
}

const NODES = 3
const TOGETHER = 0.3
const LASTS_MS: Readonly<Record<Kind, readonly [number, number]>> = {
  kill: [500, 14_000],
  stop: [500, 14_000],
  freeze: [1_000, 4_700],
  freezeLong: [12_000, 20_000],
  delay: [2_000, 8_000],
  stall: [1_000, 5_000],
  stallLong: [12_000, 20_000],
  cut: [0, 0],
  freezeRedis: [1_000, 5_000],
  restartRedis: [0, 0],
  flushRedis: [0, 0],
}

const ENDS: readonly Kind[] = ['kill', 'stop']
const LOSES: readonly Kind[] = ['restartRedis', 'flushRedis']

/**
 * A random schedule of steps; the same seed gives the same ones. Each kind occurs once before any occurs again, so that
 * a short run has many kinds.
 */
export function* schedule(seed: number): Generator<Step, never> {
  const random = seeded(seed)
  let left: Kind[] = []
  const next = (): Fault => {
    if (left.length === 0) left = [...KINDS]
    const [kind = 'kill'] = left.splice(Math.floor(random() * left.length), 1)
    const [least, most] = LASTS_MS[kind]
    return {
      kind,
      node: Math.floor(random() * NODES),
      ms: Math.round(least + random() * (most - least)),
      delayMs: Math.round(50 + random() * 450),
    }
  }
  for (;;) {
    const first = next()
    const quietMs = Math.round(3_000 + random() * 4_000)
    const isAlone = random() >= TOGETHER
    const second = isAlone ? undefined : next()
    if (second && !areApart(first, second)) {
      yield { quietMs, faults: [first] }
      yield { quietMs: 4_000, faults: [second] }
    } else yield { quietMs, faults: second ? [first, second] : [first] }
  }
}

/**
 * Whether two faults can happen together: on two nodes, or on a node and Redis. If Redis loses all keys while the only
 * node ends that knows something, that is lost. A node does not start without Redis.
 */
function areApart(one: Fault, other: Fault): boolean {
  const isEndAndLoss =
    (ENDS.includes(one.kind) && LOSES.includes(other.kind)) ||
    (ENDS.includes(other.kind) && LOSES.includes(one.kind))
  if (isEndAndLoss) return false
  const isOfRedis = ({ kind }: Fault) => kind.endsWith('Redis')
  if (isOfRedis(one) || isOfRedis(other)) return !(isOfRedis(one) && isOfRedis(other))
  return one.node !== other.node
}

/** Words for a step. */
export function describeStep({ quietMs, faults }: Step): string {
  const words = faults.map(({ kind, node, ms, delayMs }) => {
    const where = kind.endsWith('Redis') ? '' : ` node ${node + 1}`
    const long = ms > 0 ? ` ${ms} ms` : ''
    return `${kind}${where}${long}${kind === 'delay' ? `, ${delayMs} ms a packet` : ''}`
  })
  return `after ${quietMs} ms: ${words.join(' and ')}`
}
