import type { VNode } from 'preact'
import type { Live } from '../model/live.ts'
import { nextOrder, type Order, type SortKey } from '../model/order.ts'

const COLUMNS: readonly (readonly [by: SortKey | undefined, label: string, name: string, title: string])[] = [
  ['name', 'User', 'who', 'Sort by name'],
  ['status', 'Status', 'word', 'Sort by status'],
  ['duration', 'For', 'for', 'How long the user has had this status. Sort by it'],
  [undefined, 'Text', 'text', ''],
  ['seen', 'Last seen', 'seen', 'When an offline user was last seen. Sort by it'],
]

/** The headings of the columns; a click sorts. */
export function ColumnHeads({ live }: { readonly live: Live }): VNode {
  const { filter, order } = live.list.value
  return (
    <div class="heads" role="row" aria-rowindex={1}>
      {COLUMNS.map(([by, label, name, title]) => (
        <span key={name} class={name} role="columnheader" aria-sort={by && sortOf(order, by)}>
          {by ? (
            <button type="button" title={title} onClick={() => live.show(filter, nextOrder(order, by))}>
              {label}
            </button>
          ) : (
            label
          )}
        </span>
      ))}
    </div>
  )
}

function sortOf({ by, isReversed }: Order, column: SortKey): 'ascending' | 'descending' | 'none' {
  if (by !== column) return 'none'
  // The time of "last seen" descends: the last one seen comes first.
  return isReversed === (column === 'seen') ? 'ascending' : 'descending'
}
