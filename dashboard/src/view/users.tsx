import type { ComponentChildren, VNode } from 'preact'
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
  readonly hint: ComponentChildren
}

/** All users: the search, the filters, the list, and how many it shows. */
export function Users({ live, selected, format, hint }: UsersProps): VNode {
  return (
    <section class="users" aria-label="Users">
      <Toolbar live={live} selected={selected} />
      <List live={live} selected={selected} format={format} hint={hint} />
      <Foot live={live} selected={selected} />
    </section>
  )
}

function Foot({ live, selected }: Pick<UsersProps, 'live' | 'selected'>): VNode {
  const { rows, total, filter, isKnown } = live.list.value
  const isFiltered = filter.text.trim() !== '' || filter.status !== undefined
  const shown = isFiltered
    ? `${rows.length.toLocaleString()} of ${total.toLocaleString()} match`
    : `${total.toLocaleString()} ${total === 1 ? 'user' : 'users'}`
  return (
    <p class="foot">
      <span>{isKnown ? shown : '–'}</span>
      {rows.length > 0 && (
        <span class="keys">
          <span>
            <kbd>/</kbd> search
          </span>
          <span>
            <kbd>↑</kbd> <kbd>↓</kbd> move
          </span>
          <span>
            <kbd>Enter</kbd> open
          </span>
          <span>
            <kbd>C</kbd> copy id
          </span>
          {selected.opened.value !== undefined && (
            <span>
              <kbd>Esc</kbd> close
            </span>
          )}
        </span>
      )}
    </p>
  )
}
