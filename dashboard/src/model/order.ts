import { isOnline, type Row, startOf } from './row.ts'

/**
 * What the list can be sorted by. `seen` is the default: users online by name, so that a row keeps its place when its
 * user is away, and then users offline, the last one seen first.
 */
export const SORT_KEYS = ['seen', 'name', 'status', 'duration'] as const

/** One of {@link SORT_KEYS}. */
export type SortKey = (typeof SORT_KEYS)[number]

/** The order of the list. */
export interface Order {
  readonly by: SortKey
  readonly isReversed: boolean
}

/** The order of a page that was just opened. */
export const DEFAULT_ORDER: Order = { by: 'seen', isReversed: false }

type Compare = (a: Row, b: Row) => number

/** Returns the function that sorts rows in this order. It tells any two rows of different users apart. */
export function compareBy({ by, isReversed }: Order): Compare {
  const compare = COMPARE[by]
  const whole: Compare = (a, b) => compare(a, b) || byName(a, b)
  return isReversed ? (a, b) => whole(b, a) : whole
}

/** The order after a click on the heading of a column: ascending, descending, and then the default again. */
export function nextOrder(order: Order, by: SortKey): Order {
  if (order.by !== by) return { by, isReversed: false }
  return order.isReversed ? DEFAULT_ORDER : { by, isReversed: true }
}

const RANKS = { online: 0, away: 1, busy: 2, offline: 3 } as const

const COMPARE: Readonly<Record<SortKey, Compare>> = {
  name: () => 0,
  status: (a, b) => RANKS[a.status] - RANKS[b.status],
  duration: (a, b) => (startOf(b)?.at ?? 0) - (startOf(a)?.at ?? 0),
  seen: (a, b) => seenAt(b) - seenAt(a),
}

/** When a user was last seen: now for a user who is online. */
function seenAt(row: Row): number {
  return isOnline(row) ? Number.MAX_SAFE_INTEGER : (row.lastSeen ?? 0)
}

function byName(a: Row, b: Row): number {
  return compareTexts(a.sortKey, b.sortKey) || compareTexts(a.userId, b.userId)
}

/** Compares by code units: `localeCompare` is too slow for thousands of rows. */
function compareTexts(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
