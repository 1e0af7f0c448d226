import type { VNode } from 'preact'
import type { Live } from '../model/live.ts'
import type { Selection } from '../model/selection.ts'
import type { TimeFormat } from '../model/time-format.ts'
import { List } from './list.tsx'
import { Toolbar } from './toolbar.tsx'

interface UsersProps {
  readonly live: Live
  readonly selected: Selection
  readonly format: TimeFormat
  /** What to do on a server without users. */
  readonly hint: string
}

/** All users: the search, the filters, the list, and how many it shows. */
export function Users({ live, selected, format, hint }: UsersProps): VNode {
  return (
    <section class="users" aria-label="Users">
      <Toolbar live={live} selected={selected} />
      <List live={live} selected={selected} format={format} hint={hint} />
      <Foot live={live} />
    </section>
  )
}

function Foot({ live }: { readonly live: Live }): VNode {
  const { rows, total, filter, isKnown } = live.list.value
  const isFiltered = filter.text.trim() !== '' || filter.status !== undefined
  const shown = isFiltered ? `${rows.length.toLocaleString()} found` : `${total.toLocaleString()} users`
  return (
    <p class="foot">
      <span>{isKnown ? shown : '–'}</span>
      <span class="keys">
        <kbd>/</kbd> search <kbd>↑</kbd> <kbd>↓</kbd> move <kbd>Enter</kbd> open <kbd>C</kbd> copy id{' '}
        <kbd>Esc</kbd> close
      </span>
    </p>
  )
}
