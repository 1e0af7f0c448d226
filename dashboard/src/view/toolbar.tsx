import { useComputed } from '@preact/signals'
import type { Status } from '@who-is-online/client'
import type { VNode } from 'preact'
import { STATUSES } from '../model/address.ts'
import type { Live } from '../model/live.ts'
import { SORT_KEYS, type SortKey } from '../model/order.ts'
import type { Selection } from '../model/selection.ts'
import { Dot } from './avatar.tsx'
import { SearchIcon } from './icons.tsx'
import { LIST_ID } from './list.tsx'

/** The id of the search field, so that `/` can move the focus to it. */
export const SEARCH_ID = 'search'

interface ToolbarProps {
  readonly live: Live
  readonly selected: Selection
}

/** The search, the statuses with their counts, and on a narrow page the order. */
export function Toolbar({ live, selected }: ToolbarProps): VNode {
  return (
    <div class="toolbar">
      <Search live={live} selected={selected} />
      <SortField live={live} />
      <Chips live={live} />
    </div>
  )
}

function Search({ live, selected }: ToolbarProps): VNode {
  const typed = (event: Event & { readonly currentTarget: HTMLInputElement }): void => {
    const { filter, order } = live.list.peek()
    live.show({ ...filter, text: event.currentTarget.value }, order)
  }
  const pressed = (event: KeyboardEvent & { readonly currentTarget: HTMLInputElement }): void => {
    const { filter, order, rows } = live.list.peek()
    if (event.key === 'ArrowDown' && rows.length > 0) {
      event.preventDefault()
      selected.moveBy(0)
      document.getElementById(LIST_ID)?.focus({ preventScroll: true })
    } else if (event.key === 'Enter' && rows[0]) {
      selected.open(rows[0].userId)
    } else if (event.key === 'Escape') {
      event.preventDefault()
      if (filter.text === '') event.currentTarget.blur()
      else live.show({ ...filter, text: '' }, order)
    }
  }
  const text = useComputed(() => live.list.value.filter.text)
  return (
    <search class="search">
      <SearchIcon />
      <input
        type="search"
        id={SEARCH_ID}
        aria-label="Search users"
        aria-keyshortcuts="/"
        placeholder="Search by name or id"
        title="Search users (/)"
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={typed}
        onKeyDown={pressed}
      />
      <kbd>/</kbd>
    </search>
  )
}

function Chips({ live }: { readonly live: Live }): VNode {
  const { filter, order, total, counts, isKnown } = live.list.value
  const choose = (status: Status | undefined) => () => {
    live.show({ ...filter, status: status === filter.status ? undefined : status }, order)
  }
  return (
    <div class="chips" role="group" aria-label="Filter by status">
      {[undefined, ...STATUSES].map(status => (
        <button
          key={status ?? 'all'}
          type="button"
          aria-pressed={filter.status === status}
          title={status === undefined ? 'Show all users' : `Show only users who are ${status}`}
          onClick={choose(status)}
        >
          {status && <Dot status={status} />}
          <span class="label">{status ?? 'all'}</span>{' '}
          <b>{isKnown ? (status === undefined ? total : counts[status]).toLocaleString() : '–'}</b>
        </button>
      ))}
    </div>
  )
}

const LABELS: Readonly<Record<SortKey, string>> = {
  seen: 'Sort: last seen first',
  name: 'Sort: by name',
  status: 'Sort: by status',
  duration: 'Sort: last change first',
}

/** The order as a field, where there is no room for the headings of the columns. */
function SortField({ live }: { readonly live: Live }): VNode {
  const { filter, order } = live.list.value
  return (
    <select
      class="sort"
      aria-label="Order"
      value={order.by}
      onChange={({ currentTarget }) =>
        live.show(filter, { by: currentTarget.value as SortKey, isReversed: false })
      }
    >
      {SORT_KEYS.map(by => (
        <option key={by} value={by} selected={by === order.by}>
          {LABELS[by]}
        </option>
      ))}
    </select>
  )
}
