import type { Status } from '@who-is-online/client'
import type { Range } from './history.ts'
import { DEFAULT_ORDER, type Order, SORT_KEYS, type SortKey } from './order.ts'
import type { Filter } from './user-list.ts'

/** What the address of the page says, so that a link shows the same list and the same user. */
export interface Address {
  readonly filter: Filter
  readonly order: Order
  /** The user in the panel; `undefined` if it is closed. */
  readonly userId: string | undefined
  /** The time that the chart shows. */
  readonly range: Range
}

/** The statuses in the order in which the page lists them. */
export const STATUSES: readonly Status[] = ['online', 'away', 'busy', 'offline']

/** The value of `chart` for the last hour. */
const HOUR = '1h'

/** Reads the query of the address: `?q=ann&status=busy&sort=-name&user=u1&chart=1h`. Unknown values are ignored. */
export function readAddress(query: string): Address {
  const parameters = new URLSearchParams(query)
  const sort = parameters.get('sort') ?? ''
  const by = SORT_KEYS.find((key: SortKey) => key === sort.replace(/^-/, ''))
  return {
    filter: {
      text: parameters.get('q') ?? '',
      status: STATUSES.find(status => status === parameters.get('status')),
    },
    order: by ? { by, isReversed: sort.startsWith('-') } : DEFAULT_ORDER,
    userId: parameters.get('user') ?? undefined,
    range: parameters.get('chart') === HOUR ? 'hour' : 'day',
  }
}

/** Writes the query of the address; empty for the page as it is when it is opened. */
export function writeAddress({ filter: { text, status }, order, userId, range }: Address): string {
  const parameters = new URLSearchParams()
  if (text.trim() !== '') parameters.set('q', text.trim())
  if (status !== undefined) parameters.set('status', status)
  if (order.by !== DEFAULT_ORDER.by || order.isReversed) {
    parameters.set('sort', `${order.isReversed ? '-' : ''}${order.by}`)
  }
  if (userId !== undefined) parameters.set('user', userId)
  if (range === 'hour') parameters.set('chart', HOUR)
  const query = parameters.toString()
  return query === '' ? '' : `?${query}`
}
